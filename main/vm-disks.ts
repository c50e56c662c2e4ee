/** The disks of a configuration as a world opens them: the user's image, or a COW file in the bundle's `disks` folder over it. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createCowDisk } from '#engine/disk/chain.ts';
import { openDisk, type DiskHost } from '#engine/disk/open.ts';
import type { DiskSpec } from '#worker/disk-protocol.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';
import type { VmDisk } from './ipc/contract.ts';

const host: DiskHost = { files: nodeFiles, codec: nodeDecompressor };

/** Makes the COW files that are not there yet. Throws what opening a disk throws. */
export function worldDisks(bundlePath: string, disks: readonly VmDisk[]): DiskSpec[] {
  return disks.map((disk, index) => {
    const { path, format, media, cache } = disk;
    const fixed = { name: `disk${index}`, interface: disk.interface, media, cache, serial: `CAIRN-DISK-${index}` };
    const readOnly = disk.readonly || media === 'cdrom';
    if (readOnly || disk.writeBase) return { ...fixed, path, format, writable: !readOnly, allow: {} };
    const cow = join(bundlePath, 'disks', `disk${index}.qcow2`);
    if (!existsSync(cow)) {
      mkdirSync(join(bundlePath, 'disks'), { recursive: true });
      using base = openDisk(host, path, { format, writable: false });
      createCowDisk(host, cow, base, { parentName: nodeFiles.realPath(path) })[Symbol.dispose]();
    }
    return { ...fixed, path: cow, format: 'qcow2', writable: true, allow: { files: [nodeFiles.realPath(path)] } };
  });
}
