/** Damaged checkpoint files: bytes anywhere, and sections that say something else with right checksums. */
import { inspectCheckpoint } from '#engine/checkpoint/inspect.ts';
import { CheckpointReader } from '#engine/checkpoint/format/reader.ts';
import {
  COMMIT_SIZE,
  HEADER_SIZE,
  INDEX_POINTED,
  INDEX_STORED,
  INDEX_ZERO,
  SECTIONS,
  SECTION_RECORD,
  SECTION_RECORDS_AT,
} from '#engine/checkpoint/format/layout.ts';
import { PageIndex } from '#engine/checkpoint/format/page-index.ts';
import { CheckpointWriter } from '#engine/checkpoint/format/writer.ts';
import type { Codec } from '#engine/checkpoint/ports.ts';
import { CairnError } from '#engine/errors/errors.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { mutate, type Spot } from './mutate.ts';
import type { Random } from './random.ts';
import { BoundBroken, WatchedFiles } from './watched-files.ts';

const PATH = '/vm/checkpoint1.ckpt';
/** The sections' own limits are 98 MiB together (format/layout.ts). */
const BOUNDS = { operations: 20_000, readBytes: 256 << 20, oneReadBytes: 64 << 20, fileBytes: 1 << 20 };

/** Stored pages in two groups, a zero page, one in another file, one absent, and a disk. */
export function makeCheckpoint(codec: Codec = nodeCodec): Uint8Array {
  const files = new MemoryFiles();
  const writer = new CheckpointWriter(files.createExclusive(PATH), codec);
  writer.writeDevices([{ name: 'cpu', version: 1, state: { block: new Uint8Array([1, 2, 3]), list: [1, 'two', null, { deep: true }] } }]);
  const index = new PageIndex(5);
  index.kinds.set([INDEX_STORED, INDEX_STORED, INDEX_ZERO, INDEX_POINTED]);
  index.places[0] = writer.addPage(new Uint8Array(4096).fill(7));
  writer.flushGroup();
  index.places[1] = writer.addPage(Uint8Array.from({ length: 4096 }, (_, i) => (i < 300 ? (i * i * 2654435761) >>> 13 : 0)));
  writer.flushGroup();
  index.places[3] = 65;
  writer.writeDisks([{ disk: 'disk0', layer: '0123456789abcdef'.repeat(2), sizeBytes: 1 << 20 }]);
  const meta = {
    id: 'checkpoint1',
    vmName: 'v',
    title: 't',
    takenAt: '2026-11-22T12:00:00Z',
    ramBytes: 16_384,
    epoch: 1,
    running: true,
    pauseMs: 1,
    totalMs: 3,
  };
  writer.finish({ ...meta, pages: index.counts }, [{ id: 'checkpoint0', sizeBytes: 999, commitChecksum: 7 }], index);
  return files.get(PATH);
}

export function fuzzCheckpoint(good: Uint8Array, random: Random): boolean {
  const bytes = random.oneIn(3) ? good.slice() : forged(good, random);
  if (random.oneIn(2)) mutate(bytes, fields(bytes), random);
  if (!random.oneIn(4)) mendEnds(bytes);
  const files = new WatchedFiles('/vm', BOUNDS);
  files.put(PATH, bytes, random.oneIn(10) ? random.below(bytes.length + 1) : bytes.length);
  let well = true;
  for (const use of [
    () => void inspectCheckpoint(files, PATH, nodeCodec, true),
    () => {
      using reader = CheckpointReader.open(files, PATH, nodeCodec);
      reader.verify();
    },
  ])
    try {
      use();
    } catch (error) {
      if (!(error instanceof CairnError) || error.code === 'INVARIANT') throw error;
      well = false;
    }
  if (files.open !== 0) throw new BoundBroken(`${files.open} files were left open`);
  return well;
}

function fields(bytes: Uint8Array): Spot[] {
  const commit = bytes.length - COMMIT_SIZE;
  const records = SECTIONS.map(
    (_, i) => ({ at: commit + SECTION_RECORDS_AT + i * SECTION_RECORD, length: 28, width: 4, little: true }) as const,
  );
  return [{ at: 0, length: HEADER_SIZE - 4, width: 4, little: true }, { at: commit + 8, length: 12, width: 4, little: true }, ...records];
}

/** One section says something else: it is stored anew at the end, not compressed, and its record says so. */
function forged(good: Uint8Array, random: Random): Uint8Array {
  const end = good.length - COMMIT_SIZE;
  const at = SECTION_RECORDS_AT + random.below(SECTIONS.length) * SECTION_RECORD;
  const record = new DataView(good.buffer, good.byteOffset + end + at, SECTION_RECORD);
  const offset = Number(record.getBigUint64(8, true));
  const stored = good.subarray(offset, offset + record.getUint32(16, true));
  const rawLength = record.getUint32(20, true);
  const section = stored.length === rawLength ? stored.slice() : nodeCodec.decompress(stored, rawLength).slice();
  if (section.length > 0) mutate(section, [{ at: 0, length: section.length, width: random.pick([1, 2, 4, 8]), little: true }], random);
  const bytes = new Uint8Array(good.length + section.length);
  bytes.set(good.subarray(0, end));
  bytes.set(section, end);
  bytes.set(good.subarray(end), end + section.length);
  const view = new DataView(bytes.buffer);
  const to = end + section.length;
  view.setBigUint64(to + 8, BigInt(bytes.length), true);
  view.setUint32(to + at + 4, 0, true);
  view.setBigUint64(to + at + 8, BigInt(end), true);
  view.setUint32(to + at + 16, section.length, true);
  view.setUint32(to + at + 20, section.length, true);
  view.setUint32(to + at + 24, nodeCodec.checksum(section), true);
  return bytes;
}

/** The checksums of header and commit record. */
function mendEnds(bytes: Uint8Array): void {
  for (const [from, length] of [
    [0, HEADER_SIZE],
    [bytes.length - COMMIT_SIZE, COMMIT_SIZE],
  ] as const)
    new DataView(bytes.buffer).setUint32(from + length - 4, nodeCodec.checksum(bytes.subarray(from, from + length - 4)), true);
}
