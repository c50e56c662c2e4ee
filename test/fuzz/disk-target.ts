/** One damaged image: everything that Cairn does with an image is done to it. */
import { mapChain } from '#engine/disk/chain.ts';
import { Compaction } from '#engine/disk/compact.ts';
import { diskInfo } from '#engine/disk/info.ts';
import { openDisk, type DiskHost } from '#engine/disk/open.ts';
import { probeFormat } from '#engine/disk/probe.ts';
import { checkQcow2 } from '#engine/disk/qcow2/check.ts';
import type { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { repairQcow2 } from '#engine/disk/qcow2/repair.ts';
import { CairnError } from '#engine/errors/errors.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import type { DiskSeed } from './disk-seeds.ts';
import { mutate, mutateText } from './mutate.ts';
import type { Random } from './random.ts';
import { BoundBroken, WatchedFiles } from './watched-files.ts';

/** Tables in memory, where the caller may say so. */
const METADATA_BYTES = 4 << 20;
/** What a damaged image may cost: the images have at most 10 MiB, the largest table that a header may ask for has 32. */
const BOUNDS = { operations: 100_000, readBytes: 512 << 20, oneReadBytes: 32 << 20, fileBytes: 64 << 20 };
const FOLDER = '/vm';
const PART = 65_536;

/** Whether all went well; an error that is no user's is thrown. */
export function fuzzDisk(seed: DiskSeed, random: Random): boolean {
  const files = new WatchedFiles(FOLDER, BOUNDS);
  files.put('/secret', new Uint8Array(PART));
  const undo: (() => void)[] = [];
  const names = [...seed.files.keys()];
  const damagedName = random.oneIn(3) ? random.pick(names) : names[0]!;
  for (const [name, good] of seed.files) {
    let bytes = seed.format === 'qcow2' ? good.slice() : good; // only these are written
    let { length } = bytes;
    if (name === damagedName) {
      const spots = seed.spots(bytes);
      if (spots.length === 0 && bytes.length < PART) {
        bytes = new TextEncoder().encode(mutateText(new TextDecoder().decode(bytes), random));
        length = bytes.length;
      } else {
        undo.push(mutate(bytes, spots, random));
        const { mend } = seed;
        if (mend && !random.oneIn(4)) {
          mend(bytes);
          undo.push(() => mend(bytes)); // of the good image again, once the mutation is taken back
        }
      }
      if (random.oneIn(8)) length = random.below(length + 1);
    }
    files.put(`${FOLDER}/${name}`, bytes, length);
  }
  let well = false;
  try {
    well = useDisk({ files, codec: nodeDecompressor }, seed, `${FOLDER}/${names[0]!}`);
  } finally {
    for (const back of undo) back();
  }
  if (files.open !== 0) throw new BoundBroken(`${files.open} files were left open`);
  return well;
}

/** Whether all went well that Cairn does with an image. */
export function useDisk(host: DiskHost, { format }: DiskSeed, path: string): boolean {
  let well = true;
  const attempt = (action: () => void) => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof CairnError) || error.code === 'INVARIANT') throw error;
      well = false;
    }
  };
  attempt(() => void probeFormat(host.files, path));
  attempt(() => void diskInfo(host, path, format));
  const options = { format, allow: { folders: [FOLDER] }, metadataBytes: METADATA_BYTES };
  attempt(() => {
    using disk = openDisk(host, path, { ...options, writable: false });
    const places = [0, PART, 3_000_000, Math.floor(disk.sizeBytes / 2), disk.sizeBytes - PART];
    for (const place of places) {
      const from = Math.max(0, Math.min(place, disk.sizeBytes - PART));
      const length = Math.min(PART, disk.sizeBytes - from);
      attempt(() => disk.read(from, new Uint8Array(length)));
      attempt(() => [...mapChain(disk, from, length)]);
    }
    if (format === 'qcow2') attempt(() => void checkQcow2(disk as Qcow2Image));
  });
  if (format !== 'qcow2') return well;
  attempt(() => {
    using disk = openDisk(host, path, { ...options, writable: true }) as Qcow2Image;
    const size = Math.min(disk.sizeBytes, PART);
    attempt(() => disk.write(Math.min(100, size), new Uint8Array(Math.max(0, size - 100)).fill(1)));
    attempt(() => disk.writeZeroes(0, size, true));
    attempt(() => disk.discard(0, size));
    attempt(() => disk.settle());
  });
  attempt(() => {
    using compaction = new Compaction(host, path, 'qcow2', `${path}.aside`, options.allow);
    compaction.step(4 * PART);
    compaction.end();
  });
  attempt(() => void repairQcow2(host, path));
  return well;
}
