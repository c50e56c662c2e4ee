/**
 * The log of a VHDX image that was not closed properly (MS-VHDX 2.3): what it says of the file's structures is not in place yet. It is replayed in memory; the file is not touched.
 */
import type { HostFile } from '../../ports/host-files.ts';
import { damaged, unsupported, viewAt } from '../fields.ts';
import type { MetadataBudget } from '../qcow2/table.ts';
import { claimedLength, readEntry, SECTOR, type Change, type LogEntry } from './log-entry.ts';
import { ReplayedFile } from './replayed-file.ts';

const MIB = 1 << 20;
/** Programs make logs of 1 MiB. */
const MAX_LOG_BYTES = 16 * MIB;
/** Of all entries that are replayed. */
const MAX_CHANGES = 65_536;
/** How often the whole log may be gone through to check entries: those of one log do not overlap, but for one that was not finished. */
const MAX_PASSES = 4;

export interface LogPlace {
  readonly guid: string;
  readonly version: number;
  readonly offset: number;
  readonly length: number;
}

/** `file` as it is once the log is replayed. Closing it closes `file`. */
export function replayLog(file: HostFile, log: LogPlace, budget: MetadataBudget): HostFile {
  const { guid, version, offset, length } = log;
  if (version !== 0) throw unsupported(file, `its log is of version ${version}, which is not known.`);
  if (length === 0 || length % MIB !== 0 || offset % MIB !== 0 || offset < MIB || !(offset + length <= file.size()))
    throw damaged(file, 'Its log is not where it can be');
  if (length > MAX_LOG_BYTES)
    throw unsupported(
      file,
      `its log of ${length} bytes is larger than the ${MAX_LOG_BYTES} that can be replayed: open it once with the program that wrote it.`,
    );
  budget.take(2 * length); // it, and the bytes of its entries
  const ring = viewAt(file, offset, length);
  const sequence = activeSequence(file, ring, guid, offset);
  const fileBytes = file.size();
  let sizeBytes = fileBytes;
  const changes: Change[] = [];
  for (const entry of sequence) {
    if (!(entry.flushedOffset <= fileBytes))
      throw damaged(
        file,
        `It is shorter than the ${entry.flushedOffset} bytes that its log knows of: a part of it is missing`,
        offset + entry.at,
      );
    if (entry.lastOffset > sizeBytes) sizeBytes = entry.lastOffset;
    for (const change of entry.changes) changes.push(change);
    if (changes.length > MAX_CHANGES)
      throw unsupported(
        file,
        `its log has more than the ${MAX_CHANGES} changes that can be replayed: open it once with the program that wrote it.`,
      );
  }
  if (!changes.every(change => change.offset + change.length <= sizeBytes) || !Number.isSafeInteger(sizeBytes))
    throw damaged(file, 'A change in its log is beyond the end of the file', offset);
  return new ReplayedFile(file, sizeBytes, changes);
}

/** The entries to be replayed, oldest first: of all runs of whole entries with consecutive numbers the one that ends with the highest, from the tail that its last entry names (2.3.2). */
function activeSequence(file: HostFile, ring: DataView, guid: string, offset: number): readonly LogEntry[] {
  const entryAt = entryReader(file, ring, guid, offset);
  let active: readonly LogEntry[] = [];
  for (let start = 0; start < ring.byteLength;) {
    const run = runFrom(entryAt, start, ring.byteLength);
    const last = run.at(-1);
    const first = run.findIndex(({ at }) => at === last?.tail);
    if (last === undefined || first < 0) {
      start += SECTOR;
      continue;
    }
    if (active.length === 0 || last.sequence > active.at(-1)!.sequence) active = run.slice(first);
    const end = last.at + last.length;
    if (last.at < start || end > ring.byteLength) break; // it has gone over the end of the ring
    start = end;
  }
  if (active.length === 0) throw damaged(file, 'It was not closed properly, and its log has no whole entry', offset);
  return active;
}

/** Whole entries one after the other, each with the number after that of the one before; at most once around. */
function runFrom(entryAt: (at: number) => LogEntry | undefined, start: number, ringBytes: number): LogEntry[] {
  const run: LogEntry[] = [];
  for (let passed = 0; passed < ringBytes;) {
    const entry = entryAt((start + passed) % ringBytes);
    const before = run.at(-1);
    if (entry === undefined || passed + entry.length > ringBytes || (before && entry.sequence !== before.sequence + 1n)) break;
    run.push(entry);
    passed += entry.length;
  }
  return run;
}

/** Each place is looked at once, and all places together cost a bounded amount of checking. */
function entryReader(file: HostFile, ring: DataView, guid: string, offset: number): (at: number) => LogEntry | undefined {
  const known = new Map<number, LogEntry | undefined>();
  let left = MAX_PASSES * ring.byteLength;
  return at => {
    if (known.has(at)) return known.get(at);
    const length = claimedLength(ring, at, guid);
    left -= length ?? 0;
    if (left < 0) throw damaged(file, 'The entries of its log lie over each other', offset + at);
    const entry = length === undefined ? undefined : readEntry(ring, at, length);
    known.set(at, entry);
    return entry;
  };
}
