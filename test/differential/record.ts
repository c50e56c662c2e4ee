/** The line that the runtime prints for a snippet (image.ts), and how two of them compare. */
import { ABSENT_PAGE, END_VECTOR } from './image.ts';
import type { Snippet } from './snippet.ts';
import { NOT_QEMUS } from './undefined-flags.ts';

const FIELDS = [
  'eax',
  'ecx',
  'edx',
  'ebx',
  'esp',
  'ebp',
  'esi',
  'edi',
  'eflags',
  'vector',
  'error',
  'eip',
  'cr2',
  'dr6',
  'es',
  'ds',
  'fs',
  'gs',
  'memory',
];
const FPU_FIELDS = ['status', 'tags', 'mxcsr', 'significands', 'heads', 'xmm'];

export type Record = ReadonlyMap<string, string>;

export function parseRecord(line: string): Record {
  const words = line.match(/.{8}/g) ?? [];
  const names =
    words.length > FIELDS.length + FPU_FIELDS.length ? [...FIELDS, ...FPU_FIELDS.slice(0, 3), ...fullNames] : [...FIELDS, ...FPU_FIELDS];
  return new Map(words.map((word, i) => [names[i] ?? `word ${i}`, word]));
}

const fullNames = [...Array(8).keys()]
  .flatMap(i => [0, 1, 2, 3].map(j => `st${i}.${j}`))
  .concat([...Array(8).keys()].flatMap(i => [0, 1, 2, 3].map(j => `xmm${i}.${j}`)));

export interface Difference {
  readonly field: string;
  readonly ours: string;
  readonly theirs: string;
}

const INVALID_OPCODE = 6;
const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;

/** What differs but for the bits that are undefined or that QEMU gets wrong. */
export function differences(snippet: Snippet, ours: string, theirs: string): Difference[] {
  if (ours === theirs) return [];
  const a = parseRecord(ours);
  const b = parseRecord(theirs);
  const vector = Number.parseInt(b.get('vector') ?? '', 16);
  if (fetchedWhole(snippet, a, vector)) return [];
  const executed = Number.parseInt(b.get('eip') ?? '', 16) !== 0;
  const masks: { [field: string]: number } = {
    eflags: NOT_QEMUS.eflags | (executed ? snippet.undefined : 0),
    error: vector === PAGE_FAULT ? NOT_QEMUS.pageFaultError : 0,
    status: (snippet.undefinedFsw | NOT_QEMUS.fsw | (vector === END_VECTOR ? 0 : NOT_QEMUS.faultingFsw)) << 16,
    tags: snippet.usesMmx ? NOT_QEMUS.tags : 0,
    mxcsr: NOT_QEMUS.mxcsr,
  };
  const fields = new Set([...a.keys(), ...b.keys()]);
  return [...fields].flatMap(field => {
    const x = a.get(field) ?? '-';
    const y = b.get(field) ?? '-';
    if (x === y || (snippet.usesMmx && isHead(field))) return [];
    if (((Number.parseInt(x, 16) ^ Number.parseInt(y, 16)) & ~(masks[field] ?? 0)) === 0) return [];
    return [{ field, ours: x, theirs: y }];
  });
}

function isHead(field: string): boolean {
  return field === 'heads' || /^st\d\.[23]$/.test(field);
}

/** A CPU fetches a whole instruction before it judges it; QEMU judges some by their first bytes, though the rest lies on an absent page. */
function fetchedWhole(snippet: Snippet, ours: Record, theirVector: number): boolean {
  const absent = Number.parseInt(ours.get('cr2') ?? '', 16) === ABSENT_PAGE && Number.parseInt(ours.get('vector') ?? '', 16) === PAGE_FAULT;
  const reaches = snippet.base < ABSENT_PAGE && snippet.base + snippet.code.length > ABSENT_PAGE;
  return absent && reaches && (theirVector === INVALID_OPCODE || theirVector === GENERAL_PROTECTION);
}
