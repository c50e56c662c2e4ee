/** cairn store create|info|check: checkpoint volumes. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ConfigError } from '#engine/errors/errors.ts';
import type { HostFile } from '#engine/ports/host-files.ts';
import { nodeFiles, openDevice } from '#worker/node-files.ts';
import { checkVolume, initializeVolume, requireVolumeSize, takeForVolume, volumeInfo, type VolumeInfo } from '../checkpoint-volume.ts';
import { parseBytes, readArguments } from './args.ts';
import { writeNew } from './write-aside.ts';
import { EXIT_DIFFERENT, EXIT_LEAKS, EXIT_OK, UsageError } from './exit-codes.ts';
import { LongWork } from './long-work.ts';
import { formatBytes, printJson, printLine, printTable } from './output.ts';

const STEP_BYTES = 16 << 20;
const ZEROES = new Uint8Array(1 << 20);

export async function storeVerb(argv: readonly string[]): Promise<number> {
  const [word, ...rest] = argv;
  if (word === 'create') return createVerb(rest);
  if (word === 'info') return infoVerb(rest);
  if (word === 'check') return checkVerb(rest);
  throw new UsageError(
    word === undefined ? 'usage: cairn store create|info|check PATH' : `there is no “cairn store ${word}”: see \`cairn store --help\`.`,
  );
}

async function createVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('store create', argv, ['PATH'], { size: { type: 'string' }, force: { type: 'boolean' } });
  const path = resolve(args.words[0]!);
  const size = args.text('size');
  const wanted = size === undefined ? undefined : parseBytes('--size', size);
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) await overwrite(path, wanted, args.flag('force'), args.flag('json'));
  else if (wanted === undefined) throw new UsageError(`--size is missing, for there is no ${path} yet: write it as 10G or 512M.`);
  else {
    requireVolumeSize(path, wanted);
    await writeNew(path, async aside => {
      using file = nodeFiles.createExclusive(aside);
      await fill(file, wanted, `making ${path}`, args.flag('json'));
      initializeVolume(file, wanted);
    });
  }
  const info = volumeInfo(path);
  if (args.flag('json')) printJson(info);
  else printLine(`${path} is a checkpoint volume with room for ${formatBytes(info.freeBytes)}.`);
  return EXIT_OK;
}

async function overwrite(path: string, wanted: number | undefined, force: boolean, json: boolean): Promise<void> {
  using held = new DisposableStack();
  const device = held.use(openDevice(path, 'write', { exclusively: true }));
  held.use(takeForVolume(path, device, force));
  const sizeBytes = device.size();
  if (wanted !== undefined && wanted > sizeBytes)
    throw new ConfigError('BAD_SIZE', `${path} has ${formatBytes(sizeBytes)}, not ${formatBytes(wanted)}: nothing was changed.`);
  const used = wanted ?? sizeBytes;
  requireVolumeSize(path, used);
  if (statSync(path).isFile()) await fill(device, used, `making ${path}`, json); // it may have holes
  initializeVolume(device, used);
}

/** Zeroes that are written are room that is there: later writes change nothing that the file system must note. */
async function fill(file: HostFile, sizeBytes: number, doing: string, json: boolean): Promise<void> {
  let position = 0;
  const step = () => {
    for (const until = Math.min(sizeBytes, position + STEP_BYTES); position < until; position += ZEROES.length)
      file.write(ZEROES.subarray(0, sizeBytes - position), position);
    return position >= sizeBytes;
  };
  await new LongWork(doing, json).run(step, () => ({ position, totalBytes: sizeBytes }));
}

function infoVerb(argv: readonly string[]): number {
  const args = readArguments('store info', argv, ['PATH']);
  const info = volumeInfo(resolve(args.words[0]!));
  if (args.flag('json')) printJson(info);
  else tell(info);
  return EXIT_OK;
}

function tell({ path, sizeBytes, usedBytes, freeBytes, users, uses, vms }: VolumeInfo): void {
  printLine(`${path}: a checkpoint volume of ${formatBytes(sizeBytes)}, ${formatBytes(usedBytes)} used, ${formatBytes(freeBytes)} free.`);
  for (const { holder, pid } of users) printLine(`  ${holder} has it open (process ${pid}).`);
  for (const { pid, kind, file } of uses) printLine(`  The process ${pid} ${kind === 'read' ? 'reads' : 'writes'} ${file}.`);
  const rows = vms.flatMap(({ name, checkpoints }) =>
    checkpoints.map(found => ('problem' in found ? [name, found.id, '', found.problem] : [name, found.id, found.takenAt, found.title])),
  );
  for (const { name, checkpoints, usedBytes: bytes } of vms)
    printLine(`  ${name}: ${checkpoints.length} checkpoint${checkpoints.length === 1 ? '' : 's'}, ${formatBytes(bytes)}`);
  if (rows.length > 0) printTable(['VM', 'ID', 'TAKEN', 'TITLE'], rows);
}

async function checkVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('store check', argv, ['PATH']);
  const report = await checkVolume(resolve(args.words[0]!), () => nextTurn());
  const { path, vms, checkpoints, locked, problems } = report;
  const isDamaged = problems.some(({ kind }) => kind === 'damaged');
  if (args.flag('json')) printJson(report);
  else {
    for (const { kind, about, text } of problems) printLine(`  ${kind}: ${about}: ${text}`);
    if (locked > 0)
      printLine(
        `${locked} of the checkpoints are encrypted: their checksums were compared; \`cairn check NAME --passphrase-file\` reads them whole.`,
      );
    const found = isDamaged
      ? 'there is damage: delete what is damaged'
      : problems.length > 0
        ? 'no damage; `cairn repair NAME` sets the rest right'
        : 'no damage found';
    printLine(`${path}: ${checkpoints} checkpoint${checkpoints === 1 ? '' : 's'} of ${vms} VM${vms === 1 ? '' : 's'} checked, ${found}.`);
  }
  if (isDamaged) return EXIT_DIFFERENT;
  return problems.length > 0 ? EXIT_LEAKS : EXIT_OK;
}
