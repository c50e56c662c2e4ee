/** Damaged checkpoint volumes: header, records and directory that say something else, mostly with right checksums. What is refused is refused; the rest is used like any other. */
import { encodeDirectory, withFile, withFolder } from '#engine/checkpoint/volume/directory.ts';
import { DIRECTORY_AT, HEADER_SIZE, RECORD_SIZE } from '#engine/checkpoint/volume/layout.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { verifyCheckpoints } from '#engine/checkpoint/verify.ts';
import { Volume } from '#engine/checkpoint/volume/volume.ts';
import { VolumeFolder } from '#engine/checkpoint/volume/volume-folder.ts';
import { CairnError } from '#engine/errors/errors.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { folderIn, MemoryUses, openVolume, putVolume, VOLUME, volumeHost } from '../support/memory-volume.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { mutate, type Spot } from './mutate.ts';
import type { Random } from './random.ts';
import { BoundBroken, WatchedFiles } from './watched-files.ts';

const SIZE = 1 << 20;
const FOLDER = 'a.checkpoints';
const BOUNDS = { operations: 50_000, readBytes: 512 << 20, oneReadBytes: 64 << 20, fileBytes: SIZE };
/** Where the newest directory of makeVolumeSeed() is, its fifth generation, and the one before it. */
const AREA = DIRECTORY_AT;
const OTHER_AREA = DIRECTORY_AT + (64 << 10);

/** A checkpoint, what is left of another one, with a hole, and a second folder that shares units. */
export function makeVolumeSeed(checkpoint: Uint8Array): Uint8Array {
  const files = new MemoryFiles();
  putVolume(files, SIZE);
  const volume = openVolume(files);
  const folder = folderIn(volume, FOLDER);
  const file = folder.createExclusive('/a/checkpoint1.ckpt.part');
  file.write(checkpoint, 0);
  folder.rename('/a/checkpoint1.ckpt.part', '/a/checkpoint1.ckpt');
  file[Symbol.dispose]();
  volume.change(directory => {
    const first = directory.get(FOLDER)!.get('checkpoint1.ckpt')!;
    return withFile(directory, FOLDER, 'checkpoint2.pages', { sizeBytes: 300_000, extents: [{ ...first.extents[0]!, at: 2 }] });
  });
  volume.change(directory =>
    withFolder(directory, 'b.checkpoints', new Map([['checkpoint1.ckpt', directory.get(FOLDER)!.get('checkpoint1.ckpt')!]])),
  );
  return files.get(VOLUME);
}

export function fuzzVolume(good: Uint8Array, random: Random): boolean {
  const bytes = good.slice();
  const length = directoryLength(bytes);
  const spots: Spot[] = [
    { at: 0, length: HEADER_SIZE - 4, width: 4, little: true },
    { at: AREA, length: RECORD_SIZE - 4, width: 4, little: true },
    { at: AREA + RECORD_SIZE, length, width: random.pick([1, 2, 4, 8]), little: true },
  ];
  mutate(bytes.subarray(0, AREA + RECORD_SIZE + length), random.oneIn(2) ? spots : [spots[2]!], random);
  if (!random.oneIn(6)) mend(bytes, length);
  if (!random.oneIn(4)) bytes.fill(0, OTHER_AREA, OTHER_AREA + RECORD_SIZE);
  const files = new WatchedFiles('/stores', BOUNDS);
  files.put(VOLUME, bytes, random.oneIn(10) ? random.below(bytes.length + 1) : bytes.length);
  let well = true;
  try {
    use(files, random);
  } catch (error) {
    if (!(error instanceof CairnError) || error.code === 'INVARIANT') throw error;
    well = false;
  }
  if (files.open !== 0) throw new BoundBroken(`${files.open} files were left open`);
  return well;
}

function use(files: WatchedFiles, random: Random): void {
  const uses = new MemoryUses();
  const volume = new Volume(volumeHost(files, uses), VOLUME);
  const { header, generation } = volume.look();
  for (const [name, contents] of generation.directory) {
    const folder = new VolumeFolder(volume, name);
    const store = new CheckpointStore(folder, '/a');
    for (const { findings } of verifyCheckpoints(store, nodeCodec)) void findings;
    for (const file of contents.keys()) {
      using opened = folder.openRead(`/a/${file}`);
      opened.read(new Uint8Array(5000), random.below(Math.min(opened.size() + 1, 2 ** 31)));
    }
    folder.usedBytes();
  }
  const folder = folderIn(volume, 'new.checkpoints');
  using file = folder.createExclusive('/a/checkpoint9.ckpt.part');
  try {
    const written = new Uint8Array(Math.min(header.unitBytes * 2, 200_000)).fill(9);
    file.write(written, 0);
    folder.rename('/a/checkpoint9.ckpt.part', '/a/checkpoint9.ckpt');
    using back = folder.openRead('/a/checkpoint9.ckpt');
    const read = new Uint8Array(written.length);
    back.read(read, 0);
    if (!read.every(byte => byte === 9)) throw new BoundBroken('what was written is not what is read');
    folder.remove('/a/checkpoint9.ckpt');
  } finally {
    folder.remove('/a/checkpoint9.ckpt.part');
  }
  if (encodeDirectory(volume.look().generation.directory).length === 0) throw new BoundBroken('a directory without bytes');
}

const directoryLength = (bytes: Uint8Array): number => new DataView(bytes.buffer).getUint32(AREA + 16, true);

/** The checksums of header, record and directory. */
function mend(bytes: Uint8Array, length: number): void {
  const view = new DataView(bytes.buffer);
  const said = Math.min(view.getUint32(AREA + 16, true), bytes.length);
  view.setUint32(AREA + 20, nodeCodec.checksum(bytes.subarray(AREA + RECORD_SIZE, AREA + RECORD_SIZE + (said || length))), true);
  view.setUint32(AREA + RECORD_SIZE - 4, nodeCodec.checksum(bytes.subarray(AREA, AREA + RECORD_SIZE - 4)), true);
  view.setUint32(HEADER_SIZE - 4, nodeCodec.checksum(bytes.subarray(0, HEADER_SIZE - 4)), true);
}
