/** `cairn inspect FILE`: a checkpoint file as plain JSON. */
import { PAGE_SIZE } from '../memory/layout.ts';
import type { HostFiles } from '../ports/host-files.ts';
import { VERSION } from './format/layout.ts';
import { PagesReader } from './format/pages-reader.ts';
import { CheckpointReader } from './format/reader.ts';
import { infoOf, type CheckpointInfo } from './info.ts';
import type { Codec } from './ports.ts';

export interface Inspection extends CheckpointInfo {
  readonly format: number;
  readonly path: string;
  readonly vmName: string;
  readonly ramBytes: number;
  readonly epoch: number;
  readonly groups: number;
  /** Pages that are stored as others that are equal. */
  readonly duplicates: number;
  /** Bytes of pages before and after compression. */
  readonly pageBytes: { readonly raw: number; readonly stored: number };
  /** Files that pages are pointed to in. */
  readonly pointsTo: readonly { readonly id: string; readonly sizeBytes: number }[];
  readonly encrypted: boolean;
  /** None when the file is encrypted and no passphrase was given. */
  readonly devices: readonly { readonly name: string; readonly version: number; readonly state: unknown }[];
}

/** `verify` reads and checks every page group too. Throws CheckpointError when the file is damaged. */
export function inspectCheckpoint(files: HostFiles, path: string, codec: Codec, verify = false): Inspection {
  using reader = CheckpointReader.open(files, path, codec);
  if (verify) reader.verify();
  const { meta } = reader;
  const groupPages = reader.groups.reduce((sum, group) => sum + group.pages, 0);
  return {
    format: VERSION,
    path,
    ...infoOf(meta, reader.disks, reader.sizeBytes),
    vmName: meta.vmName,
    ramBytes: meta.ramBytes,
    epoch: meta.epoch,
    groups: reader.groups.length,
    duplicates: meta.pages.stored - groupPages,
    pageBytes: { raw: groupPages * PAGE_SIZE, stored: reader.groups.reduce((sum, group) => sum + group.storedLength, 0) },
    pointsTo: reader.files.map(({ id, sizeBytes }) => ({ id, sizeBytes })),
    encrypted: reader.isEncrypted,
    devices: (reader.isLocked ? [] : reader.devices()).map(device => ({ ...device, state: plain(device.state) })),
  };
}

/** What is left of an eliminated checkpoint (ID.pages). */
export interface PagesInspection {
  readonly format: number;
  readonly path: string;
  readonly id: string;
  readonly vmName: string;
  readonly title: string;
  readonly eliminated: true;
  readonly groups: number;
  /** Groups that are not holes, and their bytes in the file. */
  readonly groupsLeft: number;
  readonly bytesLeft: number;
}

/** Throws CheckpointError when its frame is damaged, or, with `verify`, one of the groups that are left. */
export function inspectPages(files: HostFiles, path: string, codec: Codec, verify = false): PagesInspection {
  using reader = PagesReader.openPages(files, path, codec);
  const { id, vmName, title } = reader.meta;
  const left = [...reader.groups.keys()].filter(group => reader.hasGroup(group));
  if (verify) for (const group of left) reader.checkGroup(group);
  const bytesLeft = left.reduce((sum, group) => sum + reader.groups[group]!.storedLength, 0);
  return { format: VERSION, path, id, vmName, title, eliminated: true, groups: reader.groups.length, groupsLeft: left.length, bytesLeft };
}

/** Bytes as hexadecimal text, long ones cut. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    const shown = Array.from(value.subarray(0, 64), byte => byte.toString(16).padStart(2, '0')).join('');
    return value.length > 64 ? `${shown}… (${value.length} bytes)` : shown;
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  return value;
}
