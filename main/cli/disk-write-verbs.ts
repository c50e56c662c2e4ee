/** cairn disk create|convert|resize|compact: what makes and changes images. New files are written aside: Ctrl-C leaves no half of one. */
import { statSync } from 'node:fs';
import { extname } from 'node:path';
import type { ChainFormat, Layer } from '#engine/disk/block.ts';
import { Compaction } from '#engine/disk/compact.ts';
import { CopyJob } from '#engine/disk/copy-job.ts';
import { diskInfo } from '#engine/disk/info.ts';
import { openDisk } from '#engine/disk/open.ts';
import { backingPath } from '#engine/disk/paths.ts';
import { createQcow2, type Qcow2CreateOptions } from '#engine/disk/qcow2/create.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { clusterBytesFor } from '#engine/disk/qcow2/cluster-size.ts';
import { roundUp, SECTOR } from '#engine/disk/qcow2/format.ts';
import { createRaw } from '#engine/disk/raw.ts';
import { ConfigError } from '#engine/errors/errors.ts';
import { parseBytes, readArguments, type Arguments, type Options } from './args.ts';
import { backingPolicy, chainFormatOption, diskHost, lockLayers, lockFile, openForReading, ownFormatOf } from './disk-files.ts';
import { EXIT_OK, UsageError } from './exit-codes.ts';
import { LongWork } from './long-work.ts';
import { formatBytes, printJson, printLine, printNotice } from './output.ts';
import { replace, writeNew } from './write-aside.ts';

const NEW_OPTIONS: Options = { cluster: { type: 'string' }, preallocate: { type: 'boolean' }, 'lazy-refcounts': { type: 'boolean' } };
const STEP_BYTES = 16 << 20;
const ZEROES = new Uint8Array(1 << 20);

export async function createVerb(argv: readonly string[]): Promise<number> {
  const options: Options = { ...NEW_OPTIONS, size: { type: 'string' }, format: { type: 'string' }, backing: { type: 'string' } };
  const args = readArguments('disk create', argv, ['FILE'], { ...options, 'backing-format': { type: 'string' } });
  const path = args.words[0]!;
  const format = chainFormatOption(args, 'format') ?? 'qcow2';
  const backing = backingOption(path, args);
  const below = backing && diskInfo(diskHost, backingPath(path, backing.name), backing.format);
  const size = args.text('size');
  if (size === undefined && backing === undefined) throw new UsageError('--size is missing: write it as 10G or 512M.');
  const sizeBytes = size === undefined ? below!.sizeBytes : wholeSectors(parseBytes('--size', size));
  if (backing !== undefined && (format === 'raw' || args.flag('preallocate')))
    throw new UsageError('--backing is for qcow2 images that are not preallocated.');
  await writeNew(path, aside => makeDisk(aside, format, sizeBytes, args, `making ${path}`, { backing, clusterBytes: below?.clusterBytes }));
  return tell(args, path, format, `${path} is a new ${format} disk of ${formatBytes(sizeBytes)}.`);
}

function backingOption(path: string, args: Arguments): Qcow2CreateOptions['backing'] {
  const [name, format] = [args.text('backing'), chainFormatOption(args, 'backing-format')];
  if (name === undefined) return undefined;
  if (format === undefined) throw new UsageError('--backing needs --backing-format raw or qcow2: guessing is not safe.');
  if (!diskHost.files.exists(backingPath(path, name)))
    throw new ConfigError(
      'NO_SUCH_FILE',
      `the backing file ${backingPath(path, name)} does not exist (its name is taken from the new disk's folder).`,
    );
  return { name, format };
}

/** A disk has whole sectors: what is asked for is rounded up, and said. */
function wholeSectors(bytes: number): number {
  const whole = roundUp(bytes, SECTOR);
  if (whole === 0) throw new UsageError('a disk has at least one sector of 512 bytes.');
  if (whole !== bytes)
    printNotice({ level: 'warning', text: `${bytes} bytes are rounded up to ${whole}: a disk has whole sectors of 512 bytes.` });
  return whole;
}

/** A new disk, all zeroes; its room is taken in steps. */
async function makeDisk(
  path: string,
  format: ChainFormat,
  sizeBytes: number,
  args: Arguments,
  doing: string,
  below: { readonly backing?: Qcow2CreateOptions['backing'] | undefined; readonly clusterBytes?: number | undefined } = {},
): Promise<void> {
  const full = args.flag('preallocate');
  const cluster = args.text('cluster');
  if (format === 'raw') {
    if (cluster !== undefined || args.flag('lazy-refcounts')) throw new UsageError('--cluster and --lazy-refcounts are for qcow2 images.');
    createRaw(diskHost.files, path, sizeBytes);
  } else
    createQcow2(diskHost.files, diskHost.codec, path, {
      sizeBytes,
      lazyRefcounts: args.flag('lazy-refcounts'),
      clusterBytes: cluster === undefined ? clusterBytesFor(sizeBytes, below.clusterBytes) : parseBytes('--cluster', cluster),
      ...(below.backing && { backing: below.backing }),
      ...(full && { preallocation: 'tables' }),
    });
  if (!full) return;
  using disk = openDisk(diskHost, path, { format, writable: true });
  let position = 0;
  const step = () => {
    for (const until = Math.min(sizeBytes, position + STEP_BYTES); position < until; position += ZEROES.length)
      disk.write(position, ZEROES.subarray(0, sizeBytes - position));
    return position >= sizeBytes;
  };
  await new LongWork(doing, args.flag('json')).run(step, () => ({ position, totalBytes: sizeBytes }));
  settle(disk);
}

function settle(disk: Layer): void {
  if (disk instanceof Qcow2Image) disk.settle();
  else disk.flush();
}

export async function convertVerb(argv: readonly string[]): Promise<number> {
  const options: Options = { ...NEW_OPTIONS, from: { type: 'string' }, to: { type: 'string' }, allow: { type: 'string', multiple: true } };
  const args = readArguments('disk convert', argv, ['SOURCE', 'TARGET'], options);
  const [sourcePath, path] = args.words as [string, string];
  const format = chainFormatOption(args, 'to') ?? (['.raw', '.img'].includes(extname(path)) ? 'raw' : 'qcow2');
  using source = openForReading(sourcePath, args, 'from');
  using locks = new DisposableStack();
  locks.use(lockLayers(source));
  const { sizeBytes } = source;
  const doing = `converting ${sourcePath}`;
  await writeNew(path, async aside => {
    await makeDisk(aside, format, sizeBytes, args, doing);
    using target = openDisk(diskHost, aside, { format, writable: true });
    const job = CopyJob.convert(source, target);
    await new LongWork(doing, args.flag('json')).run(
      () => (job.step(STEP_BYTES), job.finished),
      () => job.progress,
    );
    settle(target);
  });
  return tell(
    args,
    path,
    format,
    `${path} is a copy of ${sourcePath}: ${format}, ${formatBytes(sizeBytes)}, ${formatBytes(statSync(path).size)} in the file.`,
  );
}

export async function resizeVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('disk resize', argv, ['FILE', 'SIZE'], {
    format: { type: 'string' },
    allow: { type: 'string', multiple: true },
  });
  const [path, size] = args.words as [string, string];
  const format = ownFormatOf(path, args);
  using locks = new DisposableStack();
  locks.use(lockFile(path, 'exclusive'));
  using disk = openDisk(diskHost, path, { format, writable: true, allow: backingPolicy(path, args) });
  const wanted = parseBytes('the size', size.replace(/^\+/, ''));
  const sizeBytes = wholeSectors(size.startsWith('+') ? disk.sizeBytes + wanted : wanted);
  disk.resize(sizeBytes);
  settle(disk);
  return tell(args, path, format, `${path} has ${formatBytes(sizeBytes)} now; the guest's partitions and file systems are as they were.`);
}

export async function compactVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('disk compact', argv, ['FILE'], { format: { type: 'string' }, allow: { type: 'string', multiple: true } });
  const path = diskHost.files.realPath(args.words[0]!);
  const format = ownFormatOf(path, args);
  using locks = new DisposableStack();
  locks.use(lockFile(path, 'exclusive'));
  const roomOf = (file: string) => ({ fileBytes: statSync(file).size, usedBytes: (statSync(file).blocks ?? 0) * 512 });
  const before = roomOf(path);
  const after = await replace(
    path,
    async aside => {
      using compaction = new Compaction(diskHost, path, format, aside, backingPolicy(path, args));
      await new LongWork(`compacting ${path}`, args.flag('json')).run(
        () => (compaction.step(STEP_BYTES), compaction.finished),
        () => compaction.progress,
      );
      compaction.end();
      return roomOf(aside);
    },
    made => made.usedBytes < before.usedBytes || made.fileBytes < before.fileBytes,
  );
  const saved = Math.max(0, before.usedBytes - after.usedBytes);
  if (args.flag('json')) printJson({ path, before, after: roomOf(path) });
  else if (saved === 0) printLine(`${path} has nothing to give back.`);
  else printLine(`${path}: ${formatBytes(saved)} given back, ${formatBytes(after.usedBytes)} in use.`);
  return EXIT_OK;
}

function tell(args: Arguments, path: string, format: ChainFormat, text: string): number {
  if (args.flag('json')) printJson(diskInfo(diskHost, path, format));
  else printLine(text);
  return EXIT_OK;
}
