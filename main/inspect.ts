/** `cairn inspect`: any file or folder of Cairn's, or a disk image, as plain JSON. What it is, is told by what it begins with, or by its name. */
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import type { DiskFormat } from '#engine/disk/block.ts';
import { readDescriptor } from '#engine/disk/graph/descriptor.ts';
import { diskInfo } from '#engine/disk/info.ts';
import { namedFormat } from '#engine/disk/named-format.ts';
import { ConfigError } from '#engine/errors/errors.ts';
import { readBoundedText } from '#worker/bounded-read.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles, openDevice, requireFile, storageError } from '#worker/node-files.ts';
import { storedFiles, volumeFolderAt } from '#worker/stored-files.ts';
import { requireCheckpointFolder } from './checkpoint-folder.ts';
import { inspectCheckpoint, readCheckpointInfo } from './checkpoint-files.ts';
import { volumeInfo } from './checkpoint-volume.ts';
import { descriptorsIn } from './disk-graph.ts';
import { readVmState } from './vm-state.ts';
import { problem } from './problem.ts';

const CHECKPOINT = 'CAIRNCKP';
const VOLUME = 'CAIRNVOL';
const SQLITE = 'SQLite format 3\0';
/** A table of a catalogue is shown up to here. */
const MOST_ROWS = 10_000;
const MOST_JSON_BYTES = 64 << 20;

/** `format`: of a disk image whose name does not say it. `passphrase`: of an encrypted checkpoint, whose devices are shown and whose pages are decrypted only with it. */
export async function inspect(path: string, passphrase?: string, format?: DiskFormat): Promise<unknown> {
  if (volumeFolderAt(dirname(path)) !== undefined) return inspectCheckpointFile(path, passphrase);
  if (stat(path).isDirectory()) return inspectBundle(path);
  const start = firstBytes(path, SQLITE.length);
  if (start.startsWith(CHECKPOINT) || /\.(ckpt|pages)$/.test(path)) return inspectCheckpointFile(path, passphrase);
  if (start.startsWith(VOLUME)) return { kind: 'checkpoint volume', ...volumeInfo(path) };
  if (start === SQLITE) return inspectCatalog(path);
  if (path.endsWith('.json')) return inspectJson(path);
  const found = format ?? namedFormat(nodeFiles, path, { how: other => `--format ${other}`, say: () => {} });
  return { kind: 'disk image', ...diskInfo({ files: nodeFiles, codec: nodeDecompressor }, path, found) };
}

async function inspectCheckpointFile(path: string, passphrase?: string): Promise<unknown> {
  return { kind: path.endsWith('.pages') ? 'pages' : 'checkpoint', ...(await inspectCheckpoint(path, passphrase)) };
}

async function inspectBundle(path: string): Promise<unknown> {
  const names = readdirSync(path);
  if (!names.includes('vm.json'))
    throw new ConfigError('NOT_A_BUNDLE', `${path} is a folder without a vm.json: no VM of Cairn's. Name a file, or a NAME.cairn folder.`);
  requireCheckpointFolder(path, basename(path, '.cairn'));
  const checkpoints = join(path, 'checkpoints');
  const files = names.includes('checkpoints')
    ? storedFiles
        .list(checkpoints)
        .filter(name => name.endsWith('.ckpt'))
        .toSorted()
    : [];
  const disks = join(path, 'disks');
  return {
    kind: 'bundle',
    path,
    vm: inspectJson(join(path, 'vm.json')),
    state: readVmState(path) ?? null,
    owner: names.includes('owner.json') ? inspectJson(join(path, 'owner.json')) : null,
    checkpoints: await Promise.all(files.map(name => orProblem(() => readCheckpointInfo(join(checkpoints, name)), name))),
    disks: await Promise.all(
      descriptorsIn(disks).map(disk => orProblem(async () => readDescriptor(nodeFiles, join(disks, `${disk}.json`)), `${disk}.json`)),
    ),
  };
}

/** The rows as they are: also of a catalogue of an older or newer Cairn. */
function inspectCatalog(path: string): unknown {
  let db: Database.Database | undefined;
  try {
    requireFile(path);
    db = new Database(path, { readonly: true, fileMustExist: true, timeout: 0 });
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name").all();
    const rows = (tables as { name: string }[]).map(({ name }) => [
      name,
      db!.prepare(`SELECT * FROM "${name.replaceAll('"', '""')}" LIMIT ${MOST_ROWS}`).all(),
    ]);
    return { kind: 'catalogue', path, version: db.pragma('user_version', { simple: true }), tables: Object.fromEntries(rows) };
  } catch (cause) {
    const busy = ((cause as { code?: string }).code ?? '').startsWith('SQLITE_BUSY');
    throw new ConfigError(
      busy ? 'VM_IN_USE' : 'CATALOG_DAMAGED',
      busy
        ? `${path} belongs to a VM that is open in some Cairn: \`cairn checkpoint list ${basename(dirname(path), '.cairn')} --json\` asks that one.`
        : `${path} is damaged: ${(cause as Error).message}.`,
      { cause },
    );
  } finally {
    db?.close();
  }
}

/** A descriptor is checked on the way; other JSON files are shown as they are. */
function inspectJson(path: string): unknown {
  if (/^disk[0-9]+\.json$/.test(basename(path))) return { kind: 'disk descriptor', ...readDescriptor(nodeFiles, path) };
  const text = readBoundedText(path, MOST_JSON_BYTES);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new ConfigError('NOT_JSON', `${path} cannot be read: ${problem(cause)}.`, { cause });
  }
}

async function orProblem(read: () => Promise<unknown>, file: string): Promise<unknown> {
  try {
    return await read();
  } catch (error) {
    return { file, problem: (error as Error).message };
  }
}

function stat(path: string) {
  try {
    return statSync(path);
  } catch (cause) {
    throw storageError(cause, path, 'opened');
  }
}

function firstBytes(path: string, length: number): string {
  using file = openDevice(path, 'read');
  const bytes = new Uint8Array(length);
  return Buffer.from(bytes.subarray(0, file.read(bytes, 0))).toString('latin1');
}
