/** How verbs print: for people, or one JSON document. */
import { CairnError, messageOf } from '#engine/errors/errors.ts';
import type { Events } from '../ipc/contract.ts';
import { writeOut } from './standard-output.ts';

export function printJson(value: unknown): void {
  writeOut(`${JSON.stringify(value, undefined, 2)}\n`);
}

export function printLine(text: string): void {
  writeOut(`${shown(text)}\n`);
}

/** What files say of themselves (a title, a name) is shown by a terminal, and never obeyed. */
const shown = (text: string): string => text.replaceAll(/[^\P{Cc}\n\t]/gu, '\ufffd');

/** Columns as wide as they need to be. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const lines = [head, ...rows].map(row => row.map(cell => cell.replaceAll(/\p{Cc}/gu, '\ufffd')));
  const widths = head.map((_, column) => lines.reduce((most, cells) => Math.max(most, cells[column]!.length), 0));
  for (const cells of lines)
    printLine(
      cells
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    );
}

/** One sentence on stderr. A bug keeps its stack when CAIRN_DEBUG is set. */
export function printError(error: unknown, json: boolean): void {
  const known = error instanceof CairnError;
  const message = messageOf(error);
  process.stderr.write(`cairn: ${shown(known ? message : `something went wrong inside Cairn: ${message}`.replaceAll('\n', ' '))}\n`);
  if (process.env['CAIRN_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  if (json) printJson({ error: { code: known ? error.code : 'INTERNAL', message } });
}

/** What was mended on the way: the command goes on. (What is worse ends the command, and printError tells it.) */
export function printNotice({ level, text }: Events['notice']): void {
  if (level === 'warning') process.stderr.write(`cairn: ${shown(text)}\n`);
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  let value = bytes;
  // What is shown as 1024.0 of a unit is 1.0 of the next.
  while (value >= (unit === 0 ? 1024 : 1023.95) && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
