/** The files of a VM's disks in its bundle (docs/formats/disk-graph.md), for those who look at them from outside. */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { CairnHome } from './cairn.ts';

export function diskFolder(home: CairnHome, vm: string): string {
  return path.join(home.folder, `${vm}.cairn`, 'disks');
}

/** The file of a layer, by its id. */
export function layerFile(home: CairnHome, vm: string, layer: string): string {
  const folder = diskFolder(home, vm);
  const name = readdirSync(folder).find(entry => entry.includes(layer) && entry.endsWith('.qcow2'));
  if (name === undefined) throw new Error(`${folder} has no layer ${layer}: ${readdirSync(folder).join(' ')}`);
  return path.join(folder, name);
}

/** Where the VM goes on with a disk: the end of its own chain. */
export function topFile(home: CairnHome, vm: string, disk: string): string {
  const descriptor = JSON.parse(readFileSync(path.join(diskFolder(home, vm), `${disk}.json`), 'utf8')) as { top: string };
  return layerFile(home, vm, descriptor.top);
}

export const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
