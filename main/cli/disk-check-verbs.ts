/** cairn disk check|repair: whether an image agrees with itself. */
import { ForeignImage } from '#engine/disk/foreign.ts';
import { openDisk } from '#engine/disk/open.ts';
import { checkQcow2, type CheckReport } from '#engine/disk/qcow2/check.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { repairQcow2 } from '#engine/disk/qcow2/repair.ts';
import { CairnError, ConfigError } from '#engine/errors/errors.ts';
import { readArguments, type Arguments } from './args.ts';
import { diskHost, formatOf, lockFile } from './disk-files.ts';
import { EXIT_DIFFERENT, EXIT_LEAKS, EXIT_OK } from './exit-codes.ts';
import { printJson, printLine } from './output.ts';

/** Errors of opening an image that say that it is damaged. */
const DAMAGE: ReadonlySet<string> = new Set([
  'DISK_FORMAT',
  'DISK_CUT',
  'DISK_NOT_QCOW2',
  'DISK_NOT_AS_NAMED',
  'DISK_REFCOUNT',
  'DISK_EMPTY',
]);

export async function checkVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('disk check', argv, ['FILE'], { format: { type: 'string' }, repair: { type: 'boolean' } });
  if (args.flag('repair')) return repairDisk(args);
  const path = args.words[0]!;
  try {
    return checkImage(path, args);
  } catch (error) {
    // What keeps an image from being opened at all is damage, too.
    if (!(error instanceof CairnError) || !DAMAGE.has(error.code)) throw error;
    if (args.flag('json')) printJson({ path, corruptions: 1, leaks: 0, problems: [error.message] });
    else printLine(`  ${error.message}\n${path} is damaged: it cannot be opened.`);
    return EXIT_DIFFERENT;
  }
}

function checkImage(path: string, args: Arguments): number {
  const format = formatOf(path, args);
  using locks = new DisposableStack();
  locks.use(lockFile(path, 'shared'));
  if (format !== 'qcow2') {
    using disk = openDisk(diskHost, path, { format, writable: false });
    if (disk instanceof ForeignImage) disk.checkWhole(true);
    if (args.flag('json')) printJson({ path, format, corruptions: 0, leaks: 0, problems: [] });
    else printLine(`${path}: no damage found (${format} images have no counts to check).`);
    return EXIT_OK;
  }
  using image = new Qcow2Image(diskHost.files, diskHost.codec, path, { writable: false, lenient: true });
  const report = checkQcow2(image);
  if (args.flag('json')) printJson({ format, ...report });
  else printReport(report);
  return exitOf(report);
}

function printReport({ path, corruptions, pastEnd, leaks, problems, allocatedClusters, totalClusters }: CheckReport): void {
  for (const problem of problems) printLine(`  ${problem}`);
  const used = `${allocatedClusters} of ${totalClusters} clusters in use`;
  if (pastEnd > 0)
    printLine(
      `${path} was cut: ${pastEnd} references of its tables are to what is past the end of the file. Get it whole again from where it came from, or from a backup.`,
    );
  else if (corruptions > 0)
    printLine(`${path} is damaged: ${corruptions} problems, ${leaks} leaked clusters. \`cairn disk repair\` mends what it can.`);
  else if (leaks > 0) printLine(`${path}: ${leaks} leaked clusters, no damage; \`cairn disk repair\` gives the room back. ${used}.`);
  else printLine(`${path}: no damage found. ${used}.`);
}

function exitOf({ corruptions, leaks }: CheckReport): number {
  return corruptions > 0 ? EXIT_DIFFERENT : leaks > 0 ? EXIT_LEAKS : EXIT_OK;
}

export async function repairVerb(argv: readonly string[]): Promise<number> {
  return repairDisk(readArguments('disk repair', argv, ['FILE'], { format: { type: 'string' } }));
}

function repairDisk(args: Arguments): number {
  const path = args.words[0]!;
  const format = formatOf(path, args);
  if (format !== 'qcow2') throw new ConfigError('DISK_REPAIR', `${path} is a ${format} image: only qcow2 images can be repaired.`);
  using locks = new DisposableStack();
  locks.use(lockFile(path, 'exclusive'));
  const report = repairQcow2(diskHost, path);
  if (args.flag('json')) printJson(report);
  else {
    const { before } = report;
    if (before.corruptions + before.leaks > 0) printLine(`${path} had ${before.corruptions} problems and ${before.leaks} leaked clusters.`);
    printReport(report.after);
  }
  return exitOf(report.after);
}
