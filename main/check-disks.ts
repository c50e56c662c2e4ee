/** The disks' part of `cairn check`: every descriptor, every layer's tables and contents, and that each layer a checkpoint points to can be opened with all that is below it. */
import { basename } from 'node:path';
import type { LayerId } from '#engine/disk/graph/descriptor.ts';
import { isAdoptionPending } from '#engine/disk/graph/adoption.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { OpenLayers } from '#engine/disk/graph/open-layers.ts';
import { verifyDisk } from '#engine/disk/graph/verify.ts';
import { CairnError } from '#engine/errors/errors.ts';
import type { Problem } from './check.ts';
import { descriptorsIn, lookingHost } from './disk-graph.ts';
import { problem } from './problem.ts';

export interface DiskPointerOf {
  readonly checkpoint: string;
  readonly disk: string;
  readonly layer: LayerId;
}

/** `pinned`: states that linked clones lie on. `isFree`: no VM uses the disks meanwhile. */
export async function checkDisks(
  folder: string,
  pointers: readonly DiskPointerOf[],
  pinned: readonly { readonly disk: string; readonly state: LayerId }[],
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
    const of = new DiskFolder(lookingHost, folder, disk);
    const pointing = pointers.filter(pointer => pointer.disk === disk);
    problems.push(...unrestorable(of, pointing));
    const needs = {
      pointed: new Set(pointing.map(({ layer }) => layer)),
      pinned: new Set(pinned.filter(linked => linked.disk === disk).map(({ state }) => state)),
    };
    const work = verifyDisk(of, needs, { inUse: !isFree });
    let step = work.next();
    for (; step.done !== true; step = work.next()) await progress(basename(step.value.path));
    layers += step.value.layers;
    for (const { kind, path, problem: text } of step.value.problems) {
      if (kind !== 'pending') problems.push({ kind: kind === 'damage' ? 'damaged' : 'leftover', about: `disks/${basename(path)}`, text });
    }
  }
  if (isFree) problems.push(...pendingRevert(folder));
  return { layers, problems };
}

/** In use it may be there for a moment. */
function pendingRevert(folder: string): Problem[] {
  const about = 'disks/revert.json';
  try {
    if (!isAdoptionPending(lookingHost, folder)) return [];
    return [
      { kind: 'leftover', about, text: 'a revert of several disks was interrupted when it was decided: opening the VM completes it' },
    ];
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    return [{ kind: 'damaged', about, text: problem(error) }];
  }
}

/** Checkpoints whose state of the disk cannot be read. */
function unrestorable(folder: DiskFolder, pointers: readonly DiskPointerOf[]): Problem[] {
  try {
    const descriptor = folder.read();
    using layers = new OpenLayers(folder, () => descriptor);
    return pointers.flatMap(({ checkpoint, layer }): Problem[] => {
      try {
        layers.open(layers.place(layer));
        return [];
      } catch (error) {
        if (!(error instanceof CairnError)) throw error;
        return [{ kind: 'damaged', about: `checkpoint ${checkpoint}`, text: problem(error) }];
      }
    });
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    return []; // the disk's own check says it
  }
}
