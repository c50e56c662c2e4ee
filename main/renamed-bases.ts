/**
 * Users rename and move the folders of VMs that linked clones lie on. A clone's descriptor names its base by a folder; what the base is, the layer's id says: where the folder has it no more, the library is
 * looked through for the VM that does. The layers' own backing names stay as they are: they only say that a layer lies on the base.
 */
import { basename, join, relative, resolve } from 'node:path';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { CairnError } from '#engine/errors/errors.ts';
import { graphHost } from '#worker/node-graph-host.ts';
import { descriptorsIn } from './disk-graph.ts';
import { bundleFolders, realPath } from './library.ts';
import { holds } from './linked-clones.ts';
import { problem } from './problem.ts';

const nameOf = (bundlePath: string): string => basename(bundlePath, '.cairn');

/** Of a bundle that this process owns, before its disks are used. Answers what there is to tell the user. */
export function followRenamedBases(bundlePath: string): string[] {
  const disks = join(bundlePath, 'disks');
  return descriptorsIn(disks).flatMap(disk => {
    try {
      return follow(bundlePath, new DiskFolder(graphHost, disks, disk));
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      return [`${nameOf(bundlePath)}: whether ${disk} lies on a VM that was renamed cannot be found out: ${problem(error)}`];
    }
  });
}

function follow(bundlePath: string, folder: DiskFolder): string[] {
  const descriptor = folder.read();
  const { base } = descriptor;
  if (base?.source === undefined || holds(resolve(folder.folder, base.source.folder), base.source.disk, base.content)) return [];
  const library = resolve(bundlePath, '..');
  const own = realPath(bundlePath);
  const found = bundleFolders(library)
    .map(name => join(library, name))
    .find(path => realPath(path) !== own && holds(join(path, 'disks'), base.source!.disk, base.content));
  if (found === undefined)
    return [
      `${nameOf(bundlePath)}: ${folder.disk} lies on the state ${base.content} of a disk in ${base.source.folder}, and no VM of this library has it: bring that VM’s folder back.`,
    ];
  folder.write({ ...descriptor, base: { ...base, source: { ...base.source, folder: relative(folder.folder, join(found, 'disks')) } } });
  return [`${nameOf(bundlePath)}: the VM that ${folder.disk} lies on is ${nameOf(found)} now; that has been written down.`];
}
