/** cairn vm list|show|stop|pause|resume|reset|balloon|media|delete|rename|clone */
import { resolve } from 'node:path';
import type { CdromDrive, RequestName, VmDetail, VmState, VmSummary } from '../ipc/contract.ts';
import { usableFormat } from '../image-format.ts';
import { parseMemory, readArguments } from './args.ts';
import { EXIT_OK, UsageError } from './exit-codes.ts';
import { printJson, printLine, printNotice, printTable } from './output.ts';
import { withClient } from './with-service.ts';

const STATE_WORDS: Readonly<Record<VmState, string>> = {
  off: 'off',
  starting: 'starting',
  running: 'running',
  paused: 'paused',
  reverting: 'reverting',
  crashed: 'crashed',
  'no-answer': 'does not answer',
};

export async function vmVerb(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  switch (verb) {
    case 'list':
      return list(rest);
    case 'show':
      return show(rest);
    case 'stop':
      return stop(rest);
    case 'pause':
      return change('vm.pause', 'pause', rest);
    case 'resume':
      return change('vm.resume', 'resume', rest);
    case 'reset':
      return change('vm.reset', 'reset', rest);
    case 'balloon':
      return balloon(rest);
    case 'media':
      return media(rest);
    case 'delete':
      return remove(rest);
    case 'rename':
      return rename(rest);
    case 'clone':
      return clone(rest);
    default:
      throw new UsageError(
        `cairn vm takes list, show, stop, pause, resume, reset, balloon, media, delete, rename or clone${verb === undefined ? '' : `, not “${verb}”`}.`,
      );
  }
}

async function list(argv: readonly string[]): Promise<number> {
  const args = readArguments('vm list', argv, []);
  const vms = await withClient(client => client.request('vm.list', {}));
  if (args.flag('json')) printJson(vms);
  else if (vms.length === 0) printLine('There are no VMs yet: `cairn run --help` shows how to make one.');
  else
    printTable(
      ['NAME', 'STATE', 'MEMORY', 'CHECKPOINT'],
      vms.map(vm => [vm.name, STATE_WORDS[vm.state], `${vm.memoryMiB} MiB`, vm.current ?? '-']),
    );
  if (!args.flag('json')) for (const { name, reason } of vms) if (reason !== undefined) printLine(`${name}: ${reason}`);
  return EXIT_OK;
}

async function show(argv: readonly string[]): Promise<number> {
  const args = readArguments('vm show', argv, ['NAME']);
  const vm = await withClient(client => client.request('vm.show', { name: args.words[0]! }));
  if (args.flag('json')) printJson(vm);
  else printDetail(vm);
  return EXIT_OK;
}

async function stop(argv: readonly string[]): Promise<number> {
  const args = readArguments('vm stop', argv, ['NAME'], { button: { type: 'boolean' } });
  const vm = await withClient(client => client.request('vm.stop', { name: args.words[0]!, how: args.flag('button') ? 'button' : 'plug' }));
  printSummary(vm, args.flag('json'));
  return EXIT_OK;
}

async function change(
  request: RequestName & ('vm.pause' | 'vm.resume' | 'vm.reset'),
  verb: string,
  argv: readonly string[],
): Promise<number> {
  const args = readArguments(`vm ${verb}`, argv, ['NAME']);
  printSummary(await withClient(client => client.request(request, { name: args.words[0]! })), args.flag('json'));
  return EXIT_OK;
}

async function balloon(argv: readonly string[]): Promise<number> {
  const args = readArguments('vm balloon', argv, ['NAME', 'SIZE']);
  const [name, size] = args.words as [string, string];
  const memoryMiB = parseMemory('the size', size);
  const vm = await withClient(client => client.request('vm.balloon', { name, memoryMiB }));
  if (args.flag('json')) printJson(vm);
  else printLine(`${name} is asked to make do with ${memoryMiB} MiB: \`cairn vm show ${name}\` says what it has given back.`);
  return EXIT_OK;
}

async function media(argv: readonly string[]): Promise<number> {
  const args = readArguments('vm media', argv, ['NAME', '[DISK]', '[FILE]'], {
    eject: { type: 'boolean' },
    force: { type: 'boolean' },
    format: { type: 'string' },
    allow: { type: 'string', multiple: true },
  });
  const [name, ...rest] = args.words as [string, ...string[]];
  const eject = args.flag('eject');
  const file = eject ? undefined : rest.pop();
  const disk = rest[0];
  if (rest.length > 1) throw new UsageError('usage: cairn vm media NAME [DISK] --eject (`cairn vm --help` has examples)');
  const vm = await withClient(async client => {
    if (file === undefined && !eject) return client.request('vm.show', { name });
    const path = file === undefined ? '' : resolve(file);
    const format = formatFor(path, args.text('format'));
    const allow = args.texts('allow').map(each => resolve(each));
    return client.request('vm.media', { name, ...(disk === undefined ? {} : { disk }), path, format, allow, force: args.flag('force') });
  });
  const drives = vm.drives ?? [];
  if (args.flag('json')) printJson(drives);
  else if (drives.length === 0)
    printLine(`${name} has no CD-ROM drive: \`cairn run --name ${name} --disk none,media=cdrom\` gives it one.`);
  else for (const drive of drives) printLine(`${drive.disk}  ${driveWords(drive)}`);
  return EXIT_OK;
}

function formatFor(path: string, said: string | undefined): 'raw' | 'qcow2' {
  if (said !== undefined && said !== 'raw' && said !== 'qcow2') throw new UsageError(`--format takes raw or qcow2, not “${said}”.`);
  if (said !== undefined) return said;
  if (path === '') return 'raw';
  return usableFormat(path, { how: format => `--format ${format}`, say: text => printNotice({ level: 'warning', text }) });
}

/** "/tools.iso, locked by the guest" */
export function driveWords({ path, isLocked, isOpen }: CdromDrive): string {
  const disc = path === '' ? 'empty' : path;
  if (isOpen) return path === '' ? 'empty, its tray open' : `${disc}, put out by the guest`;
  return isLocked ? `${disc}, locked by the guest` : disc;
}

async function remove(argv: readonly string[]): Promise<number> {
  const args = readArguments('vm delete', argv, ['NAME']);
  const name = args.words[0]!;
  await withClient(client => client.request('vm.delete', { name }));
  if (args.flag('json')) printJson({ deleted: name });
  else printLine(`${name} is deleted.`);
  return EXIT_OK;
}

async function rename(argv: readonly string[]): Promise<number> {
  const args = readArguments('vm rename', argv, ['NAME', 'NEW']);
  const [name, as] = args.words as [string, string];
  const detail = await withClient(client => client.request('vm.rename', { name, as }));
  if (args.flag('json')) printJson(detail);
  else printLine(`${name} is called ${as} now.`);
  return EXIT_OK;
}

async function clone(argv: readonly string[]): Promise<number> {
  const args = readArguments('vm clone', argv, ['NAME', 'ID'], { as: { type: 'string' }, full: { type: 'boolean' } });
  const as = args.text('as');
  if (as === undefined) throw new UsageError('usage: cairn vm clone NAME ID --as NEW [--full] (`cairn vm --help` has examples)');
  const [name, checkpoint] = args.words as [string, string];
  const vm = await withClient(client => client.request('vm.clone', { name, checkpoint, as, full: args.flag('full') }));
  if (args.flag('json')) printJson(vm);
  else printLine(`${as} is made: \`cairn run --name ${JSON.stringify(as)}\` goes on from the checkpoint.`);
  return EXIT_OK;
}

function printSummary(vm: VmSummary, json: boolean): void {
  if (json) printJson(vm);
  else printLine(`${vm.name} is ${STATE_WORDS[vm.state]}.`);
}

function printDetail(vm: VmDetail): void {
  const lines: (readonly [string, string | undefined])[] = [
    ['state', vm.reason === undefined ? STATE_WORDS[vm.state] : `${STATE_WORDS[vm.state]}: ${vm.reason}`],
    ['memory', `${vm.memoryMiB} MiB`],
    ['given back', vm.balloonedMiB === undefined ? undefined : `${vm.balloonedMiB.toFixed(1)} MiB of it`],
    ['shared', vm.savedMiB === undefined ? undefined : `${vm.savedMiB.toFixed(1)} MiB of it saved`],
    ['kernel', vm.config.kernel],
    ['initrd', vm.config.initrd],
    ['append', vm.config.append || undefined],
    ...(vm.drives ?? []).map(drive => [drive.disk, driveWords(drive)] as const),
    ...(vm.chains ?? []).map(
      ({ disk, files, wanted }) => [disk, `a chain of ${files} ${files === 1 ? 'file' : 'files'}, kept to ${wanted}`] as const,
    ),
    ['checkpoints', String(vm.checkpoints)],
    ['current', vm.current],
    ['folder', vm.bundlePath],
  ];
  printLine(vm.name);
  for (const [key, value] of lines) if (value !== undefined) printLine(`  ${key.padEnd(12)}${value}`);
}
