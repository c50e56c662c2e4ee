/** The line that the runtime prints for a snippet (image.ts), and how two of them compare. */
import { END_VECTOR } from './image.ts';
import type { Snippet } from './snippet.ts';
import { NOT_QEMUS } from './undefined-flags.ts';

const FIELDS = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi', 'eflags', 'vector', 'error', 'eip', 'cr2', 'es', 'ds', 'fs', 'gs', 'memory'];
const FPU_FIELDS = ['status', 'tags', 'mxcsr', 'st', 'xmm'];

export type Record = ReadonlyMap<string, string>;

export function parseRecord(line: string): Record {
  const words = line.match(/.{8}/g) ?? [];
  const names = words.length > FIELDS.length + FPU_FIELDS.length ? [...FIELDS, ...FPU_FIELDS.slice(0, 3), ...fullNames] : [...FIELDS, ...FPU_FIELDS];
  return new Map(words.map((word, i) => [names[i] ?? `word ${i}`, word]));
}

const fullNames = [...Array(8).keys()].flatMap(i => [0, 1, 2, 3].map(j => `st${i}.${j}`)).concat([...Array(8).keys()].flatMap(i => [0, 1, 2, 3].map(j => `xmm${i}.${j}`)));

export interface Difference {
  readonly field: string;
  readonly ours: string;
  readonly theirs: string;
}

/** What differs but for the bits that are undefined. */
export function differences(snippet: Snippet, ours: string, theirs: string): Difference[] {
  if (ours === theirs) return [];
  const a = parseRecord(ours);
  const b = parseRecord(theirs);
  const ended = Number.parseInt(b.get('vector') ?? '', 16) === END_VECTOR;
  const masks: { [field: string]: number } = {
    eflags: NOT_QEMUS.eflags | (ended ? snippet.undefined : 0),
    status: snippet.undefinedFsw << 16,
    mxcsr: NOT_QEMUS.mxcsr,
  };
  const fields = new Set([...a.keys(), ...b.keys()]);
  return [...fields].flatMap(field => {
    const x = a.get(field) ?? '-';
    const y = b.get(field) ?? '-';
    const mask = masks[field] ?? 0;
    if (x === y || ((Number.parseInt(x, 16) ^ Number.parseInt(y, 16)) & ~mask) === 0) return [];
    return [{ field, ours: x, theirs: y }];
  });
}
