/** A VGA text screen as the host's frames describe it (main/ipc/frames.ts, kind 2). Untrusted: a frame that does not fit is dropped whole. */
import { CP437 } from './cp437.ts';

const NO_CURSOR = 0xffff;

export class TextScreen {
  columns = 80;
  rows = 25;
  /** Character and attribute of each cell, row by row. */
  cells: Uint8Array = blank(80, 25);
  /** Cell index; undefined when the guest has switched it off. */
  cursor: number | undefined;

  /** The rows that changed, or undefined when the frame is damaged. A new size changes all rows. */
  apply(payload: Uint8Array): Set<number> | undefined {
    if (payload.length < 4) return undefined;
    const columns = payload[0] as number;
    const rows = payload[1] as number;
    const cursor = (payload[2] as number) | ((payload[3] as number) << 8);
    const rowSize = 1 + columns * 2;
    if (columns === 0 || rows === 0 || (payload.length - 4) % rowSize !== 0) return undefined;
    for (let at = 4; at < payload.length; at += rowSize) if ((payload[at] as number) >= rows) return undefined;

    const changed = new Set<number>();
    if (columns !== this.columns || rows !== this.rows) {
      this.columns = columns;
      this.rows = rows;
      this.cells = blank(columns, rows);
      this.cursor = undefined;
      for (let row = 0; row < rows; row++) changed.add(row);
    }
    for (let at = 4; at < payload.length; at += rowSize) {
      const row = payload[at] as number;
      this.cells.set(payload.subarray(at + 1, at + rowSize), row * columns * 2);
      changed.add(row);
    }
    const before = this.cursor;
    this.cursor = cursor === NO_CURSOR || cursor >= columns * rows ? undefined : cursor;
    if (before !== this.cursor) {
      for (const cell of [before, this.cursor]) if (cell !== undefined) changed.add(Math.floor(cell / columns));
    }
    return changed;
  }

  clear(): void {
    this.cells = blank(this.columns, this.rows);
    this.cursor = undefined;
  }

  line(row: number): string {
    let text = '';
    const start = row * this.columns * 2;
    for (let at = start; at < start + this.columns * 2; at += 2) text += CP437[this.cells[at] as number];
    return text.trimEnd();
  }

  /** As a person would read it, without the empty rows at the end. */
  text(): string {
    return Array.from({ length: this.rows }, (_, row) => this.line(row))
      .join('\n')
      .trimEnd();
  }
}

function blank(columns: number, rows: number): Uint8Array {
  const cells = new Uint8Array(columns * rows * 2);
  for (let at = 0; at < cells.length; at += 2) {
    cells[at] = 0x20;
    cells[at + 1] = 0x07;
  }
  return cells;
}
