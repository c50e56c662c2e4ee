/** Checkpoint files and qcow2 images whose tables and checksums are right, and whose compressed parts do harm. */
import { COMPRESSED } from '#engine/disk/qcow2/format.ts';
import { CheckpointReader } from '#engine/checkpoint/format/reader.ts';
import type { Codec } from '#engine/checkpoint/ports.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { CairnError } from '#engine/errors/errors.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { makeCheckpoint } from './checkpoint-target.ts';
import type { DiskSeed } from './disk-seeds.ts';
import { useDisk } from './disk-target.ts';
import { harmful } from './packed.ts';
import type { Random } from './random.ts';
import { BoundBroken, WatchedFiles } from './watched-files.ts';

const PATH = '/vm/checkpoint1.ckpt';
const BOUNDS = { operations: 20_000, readBytes: 256 << 20, oneReadBytes: 64 << 20, fileBytes: 1 << 20 };
/** Of one part, and of all together: a section has at most 64 MiB, and there are six. */
const MOST_UNPACKED = 64 << 20;

/** What comes out is counted, and bounded before it is made. */
function watched(codec: Codec): Codec {
  let left = 4 * MOST_UNPACKED;
  return {
    ...codec,
    decompress(bytes, rawLength) {
      if (rawLength > MOST_UNPACKED) throw new BoundBroken(`${rawLength} bytes were to be unpacked at once`);
      if ((left -= rawLength) < 0) throw new BoundBroken('more was unpacked than all sections may hold');
      return codec.decompress(bytes, rawLength);
    },
  };
}

/** The writer makes lengths, places and checksums of what its codec gives it. */
export function fuzzPackedCheckpoint(random: Random): boolean {
  const compress = (bytes: Uint8Array) => (random.oneIn(3) ? nodeCodec.compress(bytes) : harmful('zstd', random));
  const files = new WatchedFiles('/vm', BOUNDS);
  files.put(PATH, makeCheckpoint({ ...nodeCodec, compress }));
  let well = true;
  try {
    using reader = CheckpointReader.open(files, PATH, watched(nodeCodec));
    reader.verify();
  } catch (error) {
    if (!(error instanceof CairnError) || error.code === 'INVARIANT') throw error;
    well = false;
  }
  if (files.open !== 0) throw new BoundBroken(`${files.open} files were left open`);
  return well;
}

/** The clusters' own bytes, and how many sectors their entries give them. */
export function fuzzPackedDisk(seed: DiskSeed, random: Random): boolean {
  const [name, good] = [...seed.files][0]!;
  const bytes = good.slice();
  const view = new DataView(bytes.buffer);
  for (const { at, hostOffset, sectorBits } of compressedEntries(name, good)) {
    if (random.oneIn(3)) continue;
    const packed = harmful(seed.name.includes('zstd') ? 'zstd' : 'deflate', random);
    bytes.set(packed.subarray(0, Math.max(0, bytes.length - hostOffset)), hostOffset);
    if (random.oneIn(2)) {
      const high = view.getUint32(at);
      const offsetBits = 30 - sectorBits;
      view.setUint32(
        at,
        (COMPRESSED | ((random.next() & (2 ** sectorBits - 1) & 0xff) * 2 ** offsetBits) | (high & (2 ** offsetBits - 1))) >>> 0,
      );
    }
  }
  const files = new WatchedFiles('/vm', { ...BOUNDS, operations: 100_000, readBytes: 512 << 20, fileBytes: 64 << 20 });
  files.put(`/vm/${name}`, bytes);
  const well = useDisk({ files, codec: nodeDecompressor }, seed, `/vm/${name}`);
  if (files.open !== 0) throw new BoundBroken(`${files.open} files were left open`);
  return well;
}

/** Of a good image: where the entry of each compressed cluster is, and its bytes. `sectorBits`: of the entry's high half, for how many sectors follow. */
function compressedEntries(name: string, good: Uint8Array): { at: number; hostOffset: number; sectorBits: number }[] {
  const files = new MemoryFiles();
  files.put(`/vm/${name}`, good);
  using image = new Qcow2Image(files, nodeDecompressor, `/vm/${name}`, { writable: false });
  const { l2Entries, l2EntryBytes, clusterBits } = image.geometry;
  return Array.from({ length: Math.ceil(image.sizeBytes / image.clusterBytes) }, (_, i) => i).flatMap(i => {
    const { kind, hostOffset } = image.mapping.get(i);
    if (kind !== 'compressed') return [];
    const at = image.mapping.l1Entry(Math.floor(i / l2Entries)).offset + (i % l2Entries) * l2EntryBytes;
    return [{ at, hostOffset, sectorBits: clusterBits - 8 }];
  });
}
