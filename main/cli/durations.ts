/** Times as people write them: 30s, 15m, 6h, 1d. */
import { UsageError } from './exit-codes.ts';

const UNITS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
type Unit = keyof typeof UNITS;

/** Seconds. */
export function parseDuration(option: string, text: string): number {
  const match = /^(\d{1,7})([smhd])$/.exec(text);
  if (!match || Number(match[1]) === 0) throw new UsageError(`--${option}: ${text} is no time: write it as 30s, 15m, 6h or 1d.`);
  return Number(match[1]) * UNITS[match[2] as Unit];
}

/** In the largest unit that says it exactly. */
export function formatDuration(seconds: number): string {
  const unit = (['d', 'h', 'm'] as const).find(unit => seconds % UNITS[unit] === 0) ?? 's';
  return `${seconds / UNITS[unit]} ${{ d: 'd', h: 'h', m: 'min', s: 's' }[unit]}`;
}
