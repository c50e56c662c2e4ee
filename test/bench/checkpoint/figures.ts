/** Distributions and tables, as docs/performance.md has them. */

/** `share` 0 to 1; the smallest value that at least this share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Three digits that count, or what there is. */
export function figure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export type Cell = string | number | undefined;

export class Table {
  private readonly columns: readonly string[];

  constructor(...columns: readonly string[]) {
    this.columns = columns;
    this.print(columns);
    this.print(columns.map(() => '---'));
  }

  row(...cells: readonly Cell[]): void {
    this.print(this.columns.map((_, i) => (typeof cells[i] === 'number' ? figure(cells[i]) : (cells[i] ?? '–'))));
  }

  private print(cells: readonly Cell[]): void {
    console.log(`| ${cells.join(' | ')} |`);
  }
}
