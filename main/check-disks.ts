/** The disks' part of `cairn check`: every descriptor, every layer's tables and contents, and that each layer a checkpoint points to can be opened with all that is below it. */
import { existsSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import type { LayerId } from '#engine/disk/graph/descriptor.ts';
import { DiskFolder, type GraphHost } from '#engine/disk/graph/disk-folder.ts';
import { LayerSum, readSum } from '#engine/disk/graph/layer-sum.ts';
import { OpenLayers } from '#engine/disk/graph/open-layers.ts';
import { checkQcow2 } from '#engine/disk/qcow2/check.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { InvariantError } from '#engine/errors/errors.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';
import type { Problem } from './check.ts';
import { problem } from './problem.ts';

const HOST: GraphHost = {
  files: nodeFiles,
  codec: nodeDecompressor,
  checksum: nodeCodec.checksum,
  newLayerId: () => {
    throw new InvariantError('a check makes no layers');
  },
};

export interface DiskPointerOf {
  readonly checkpoint: string;
  readonly disk: string;
  readonly layer: LayerId;
}

export async function checkDisks(
  folder: string,
  pointers: readonly DiskPointerOf[],
  isFree: boolean,
  progress: (about: string) => void | Promise<void>,
): Promise<{ layers: number; problems: Problem[] }> {
  const problems: Problem[] = [];
  let layers = 0;
  const found = new Set(descriptorsIn(folder));
  for (const { disk, checkpoint } of pointers) {
    if (!found.has(disk))
      problems.push({ kind: 'damaged', about: `checkpoint ${checkpoint}`, text: `its disk ${disk} is gone: ${folder}/${disk}.json` });
  }
  for (const disk of found) {
    try {
      const of = new DiskFolder(HOST, folder, disk);
      const descriptor = of.read();
      using open = new OpenLayers(of, () => descriptor);
      for (const { checkpoint, layer } of pointers.filter(pointer => pointer.disk === disk))
        attempt(`checkpoint ${checkpoint}`, problems, () => void open.open(open.place(layer)));
      for (const id of of.layerIds()) {
        if (id === descriptor.top && !isFree) continue; // the VM writes it
        layers++;
        attempt(`layer ${id} of ${disk}`, problems, () => checkLayer(of, id, problems, disk));
        await progress(id);
      }
      if (isFree && descriptor.top !== 'base') attempt(disk, problems, () => void open.open(descriptor.top));
    } catch (error) {
      problems.push({ kind: 'damaged', about: disk, text: problem(error) });
    }
  }
  return { layers, problems };
}

function checkLayer(folder: DiskFolder, id: LayerId, problems: Problem[], disk: string): void {
  if (!folder.has(id)) return; // merged meanwhile
  using image = new Qcow2Image(HOST.files, HOST.codec, folder.layerPath(id), { writable: false });
  const { corruptions, leaks, problems: words } = checkQcow2(image);
  const about = `layer ${id} of ${disk}`;
  if (corruptions > 0)
    problems.push({ kind: 'damaged', about, text: `${corruptions} problems in its tables, the first: ${words[0] ?? ''}` });
  const should = readSum(folder, id);
  if (should !== undefined && new LayerSum(image, HOST.checksum).step(Infinity) !== should)
    problems.push({ kind: 'damaged', about, text: 'its contents do not match its checksum' });
  if (leaks > 0) problems.push({ kind: 'leftover', about, text: `${leaks} clusters that nothing refers to` });
}

function attempt(about: string, problems: Problem[], check: () => void): void {
  try {
    check();
  } catch (error) {
    problems.push({ kind: 'damaged', about, text: problem(error) });
  }
}

export function descriptorsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter(name => /^disk[0-9]+\.json$/.test(name))
    .map(name => basename(name, '.json'))
    .toSorted();
}
