/**
 * The descriptor of one virtual disk, `diskN.json` in the bundle's folder of disks: which files the disk is made of, and what the VM does with it
 * (docs/formats/disk-graph.md). What is read was written by whoever wrote it: every field is bounded and checked.
 */
import { ConfigError } from '../../errors/errors.ts';
import type { HostFiles } from '../../ports/host-files.ts';
import { isChainFormat, type ChainFormat } from '../block.ts';
import { readJson, writeJson } from './json-file.ts';

/** 32 hexadecimal digits that name a state of the disk: its contents at one instant. What an id means never changes. */
export type LayerId = string;

/** Names a virtual disk of a VM: `disk0`, `disk1`… */
export type DiskKey = string;

/** Where the VM goes on: in a layer's file, or in the base itself (first implementation). */
export type Top = LayerId | 'base';

/**
 * Which files checkpoints leave. `chain`: the second implementation, every checkpoint's layer stays where it is. `copy`: the third, layers are put
 * aside and the VM's own chain is committed down to base + 1. `full-copy`: the first, the base is copied and the VM goes on in the base itself.
 */
export type DiskMode = 'chain' | 'copy' | 'full-copy';

export interface DiskBase {
  /** As it stands in the descriptor: relative to the folder of disks, or absolute. */
  readonly path: string;
  readonly format: ChainFormat;
  /** `own`: in the bundle. `attached`: the user's, where it lies. `linked`: a layer of another bundle, only read. */
  readonly kind: 'own' | 'attached' | 'linked';
  /** The state that the file's bytes are. While the base is the top they change, and nothing may point to it. */
  readonly content: LayerId;
  /** A commit of this layer into the base is under way: only through that layer are the bytes a state. */
  readonly becoming?: LayerId;
  /** Of an attached base: what it was like when Cairn last looked. Absent while Cairn writes it. */
  readonly seen?: { readonly sizeBytes: number; readonly modifiedMs: number };
  /** Real paths of an attached base's own backing files that the user agreed to. */
  readonly allow?: readonly string[];
  /** Of a linked base: whose layer it is. The folder is as `path` is. */
  readonly source?: { readonly folder: string; readonly disk: string };
}

export interface DiskDescriptor {
  readonly version: 1;
  /** `disk0`, `disk1`…: the beginning of every file's name. */
  readonly disk: string;
  readonly mode: DiskMode;
  /** Of the virtual disk when the descriptor was written. The top's own header decides. */
  readonly sizeBytes: number;
  /** Of new COW disk files: the COW block group. */
  readonly clusterBytes: number;
  readonly top: Top;
  /** The user's word that an attached base may be written. */
  readonly writeBase: boolean;
  readonly base?: DiskBase;
  /** How the disk is attached (controller, cache…): kept for whoever attaches it. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
}

const MAX_PATH = 4096;
const MAX_SETTINGS = 64;
const MAX_SETTING = 1024;

export const isLayerId = (text: unknown): text is LayerId => typeof text === 'string' && /^[0-9a-f]{32}$/.test(text);
export const isDiskKey = (text: unknown): text is DiskKey => typeof text === 'string' && /^[a-z][a-z0-9]{0,31}$/.test(text);

export function readDescriptor(files: HostFiles, path: string): DiskDescriptor {
  const bad = (problem: string) => new ConfigError('DISK_DESCRIPTOR', `${path} is not a disk's descriptor: ${problem}. Repair the VM.`);
  return parse(readJson(files, path, bad), bad);
}

/** Whole or not at all, at once for everybody who looks, and durable. */
export function writeDescriptor(files: HostFiles, path: string, descriptor: DiskDescriptor): void {
  writeJson(files, path, descriptor);
}

type Bad = (problem: string) => ConfigError;
type Fields = Readonly<Record<string, unknown>>;

const isObject = (raw: unknown): raw is Fields => typeof raw === 'object' && raw !== null && !Array.isArray(raw);
const isSize = (raw: unknown): raw is number => Number.isSafeInteger(raw) && (raw as number) >= 0;
const isPath = (raw: unknown): raw is string => typeof raw === 'string' && raw !== '' && raw.length <= MAX_PATH && !raw.includes('\0');

function onlyFields(raw: unknown, names: readonly string[], what: string, bad: Bad): Fields {
  if (!isObject(raw)) throw bad(`${what} is no object`);
  const other = Object.keys(raw).find(name => !names.includes(name));
  if (other !== undefined) throw bad(`${what} has the unknown field “${other.slice(0, 40)}”`);
  return raw;
}

function parse(raw: unknown, bad: Bad): DiskDescriptor {
  if (!isObject(raw)) throw bad('it is no object');
  if (raw['version'] !== 1) throw bad(`its version is ${JSON.stringify(raw['version'])?.slice(0, 20)}, and 1 is known`);
  const names = ['version', 'disk', 'mode', 'sizeBytes', 'clusterBytes', 'top', 'writeBase', 'base', 'settings'];
  const { disk, mode, sizeBytes, clusterBytes, top, writeBase, base, settings } = onlyFields(raw, names, 'it', bad);
  if (!isDiskKey(disk)) throw bad('“disk” is not the name of a disk');
  if (mode !== 'chain' && mode !== 'copy' && mode !== 'full-copy') throw bad('“mode” is none of chain, copy, full-copy');
  if (!isSize(sizeBytes) || sizeBytes % 512 !== 0) throw bad('“sizeBytes” is not the size of a disk');
  if (!isSize(clusterBytes) || clusterBytes < 512 || clusterBytes > 2 ** 21 || !Number.isInteger(Math.log2(clusterBytes)))
    throw bad('“clusterBytes” is no power of two from 512 to 2097152');
  if (top !== 'base' && !isLayerId(top)) throw bad('“top” is neither a layer nor “base”');
  if (typeof writeBase !== 'boolean') throw bad('“writeBase” is neither true nor false');
  if (top === 'base' && base === undefined) throw bad('its top is the base, and it has none');
  return {
    version: 1,
    disk,
    mode,
    sizeBytes,
    clusterBytes,
    top,
    writeBase,
    ...(base === undefined ? {} : { base: parseBase(base, bad) }),
    settings: parseSettings(settings, bad),
  };
}

function parseBase(raw: unknown, bad: Bad): DiskBase {
  const names = ['path', 'format', 'kind', 'content', 'becoming', 'seen', 'allow', 'source'];
  const { path, format, kind, content, becoming, seen, allow, source } = onlyFields(raw, names, 'the base', bad);
  if (!isPath(path)) throw bad('the base has no path');
  if (typeof format !== 'string' || !isChainFormat(format)) throw bad('the base is neither raw nor qcow2');
  if (kind !== 'own' && kind !== 'attached' && kind !== 'linked') throw bad('the base is none of own, attached, linked');
  if (kind === 'own' && /[/\\]/.test(path)) throw bad('its own base is not in the folder of disks');
  if (!isLayerId(content)) throw bad('the base’s content is no layer');
  if (becoming !== undefined && !isLayerId(becoming)) throw bad('what the base is becoming is no layer');
  if (allow !== undefined && !(Array.isArray(allow) && allow.every(isPath))) throw bad('the base’s allowed files are no list of paths');
  if ((kind === 'linked') !== (source !== undefined)) throw bad('a linked base, and no other, has a source');
  return {
    path,
    format,
    kind,
    content,
    ...(becoming === undefined ? {} : { becoming }),
    ...(seen === undefined ? {} : { seen: parseSeen(seen, bad) }),
    ...(allow === undefined ? {} : { allow: allow as string[] }),
    ...(source === undefined ? {} : { source: parseSource(source, bad) }),
  };
}

function parseSeen(raw: unknown, bad: Bad): NonNullable<DiskBase['seen']> {
  const { sizeBytes, modifiedMs } = onlyFields(raw, ['sizeBytes', 'modifiedMs'], 'what the base was like', bad);
  if (!isSize(sizeBytes) || typeof modifiedMs !== 'number') throw bad('what the base was like is not a size and a time');
  return { sizeBytes, modifiedMs };
}

function parseSource(raw: unknown, bad: Bad): NonNullable<DiskBase['source']> {
  const { folder, disk } = onlyFields(raw, ['folder', 'disk'], 'the source', bad);
  if (!isPath(folder) || !isDiskKey(disk)) throw bad('the source is not a folder and a disk');
  return { folder, disk };
}

function parseSettings(raw: unknown, bad: Bad): DiskDescriptor['settings'] {
  if (!isObject(raw)) throw bad('“settings” is no object');
  const entries = Object.entries(raw);
  if (entries.length > MAX_SETTINGS) throw bad('it has too many settings');
  for (const [name, value] of entries) {
    const plain = (typeof value === 'string' && value.length <= MAX_SETTING) || Number.isFinite(value) || typeof value === 'boolean';
    if (name === '' || name.length > 64 || !plain)
      throw bad(`the setting “${name.slice(0, 40)}” is not a short text, a number, true or false`);
  }
  return Object.fromEntries(entries) as DiskDescriptor['settings'];
}
