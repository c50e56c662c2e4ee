/** cairn run: a VM in this terminal, from its kernel or from a checkpoint, until it ends. */
import { randomBytes } from 'node:crypto';
import { basename, resolve } from 'node:path';
import { CairnError, ConfigError } from '#engine/errors/errors.ts';
import { storedFiles } from '#worker/stored-files.ts';
import { Bundle, nameOf } from '../bundle.ts';
import type { HostService } from '../host-service.ts';
import type { StartOptions } from '../vm.ts';
import { vmConfig, type HostClient, type VmConfig } from '../ipc/contract.ts';
import { problemOf } from '../problem.ts';
import { parseCount, parseMemory, readArguments, type Arguments, type Options } from './args.ts';
import { parseDisk } from './disk-option.ts';
import { exitCodeOfEnd, UsageError } from './exit-codes.ts';
import { printJson, printNotice } from './output.ts';
import { givenPassphrase, PASSPHRASE_OPTION } from './passphrase-option.ts';
import { SerialTerminal } from './serial-terminal.ts';
import { endingSignal } from './signals.ts';
import { openService } from './with-service.ts';

export const OPTIONS: Options = {
  name: { type: 'string' },
  memory: { type: 'string' },
  kernel: { type: 'string' },
  initrd: { type: 'string' },
  append: { type: 'string' },
  disk: { type: 'string', multiple: true },
  'checkpoint-mode': { type: 'string' },
  overwrite: { type: 'boolean' },
  balloon: { type: 'boolean' },
  rng: { type: 'boolean' },
  rtc: { type: 'string' },
  compression: { type: 'string' },
  'checkpoint-pace': { type: 'string' },
  'copy-limit': { type: 'string' },
  'chain-depth': { type: 'string' },
  'keep-in-ram': { type: 'boolean' },
  'share-memory': { type: 'boolean' },
  encrypt: { type: 'boolean' },
  'checkpoint-store': { type: 'string' },
  ...PASSPHRASE_OPTION,
  from: { type: 'string' },
  verify: { type: 'boolean' },
  serial: { type: 'string' },
  display: { type: 'string' },
  reboot: { type: 'boolean' },
  'debug-exit': { type: 'boolean' },
};
const DEFAULT_MEMORY_MIB = 512;
const LARGEST_MEMORY_MIB = 3072;

export async function runVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('run', argv, [], OPTIONS, { allowNegative: true });
  const serial = oneOf(args, 'serial', ['stdio', 'none']);
  oneOf(args, 'display', ['none']);
  if (args.flag('json') && serial === 'stdio')
    throw new UsageError('--json needs --serial none, for the serial port has stdout otherwise.');
  if (args.text('from') !== undefined && args.text('kernel') !== undefined)
    throw new UsageError('--from and --kernel exclude each other: a checkpoint has its kernel in it.');

  const passphrase = givenPassphrase(args);
  if (args.flag('encrypt') && passphrase === undefined)
    throw new UsageError('--encrypt needs a passphrase: name the file that it is in with --passphrase-file FILE, or - for standard input.');
  const signal = endingSignal();
  const service = openService();
  try {
    const client = service.connect();
    client.on('notice', printNotice);
    const name = args.text('name') ?? `run-${randomBytes(4).toString('hex')}`;
    const isNew = !Bundle.exists(service.library.bundlePath(name));
    let hasRun = false;
    const started = () => (hasRun = true);
    try {
      const cold = await unlessSignalled(signal, name, prepare(service, client, name, args));
      const how = { cold, whole: args.flag('verify'), passphrase };
      return await runToEnd(service, client, name, how, serial === 'stdio', signal, args.flag('json'), started);
    } finally {
      const isWanted = args.text('name') !== undefined && (hasRun || !isNew);
      if (!isWanted && Bundle.exists(service.library.bundlePath(name))) await client.request('vm.delete', { name });
    }
  } finally {
    await service.close();
  }
}

/** Makes or changes the VM as the options say. True when it is to boot from its kernel. */
async function prepare(service: HostService, client: HostClient, name: string, args: Arguments): Promise<boolean> {
  const path = service.library.bundlePath(name);
  const exists = Bundle.exists(path);
  const from = args.text('from');
  if (from !== undefined) {
    const { vm, id } = findCheckpoint(service, from);
    if (vm === name) await client.request('checkpoint.revert', { name, id });
    else await client.request('vm.clone', { name: vm, checkpoint: id, as: name, full: false });
    const config = configFrom(args, Bundle.readConfig(path));
    await client.request('vm.configure', { name, config });
    return false;
  }
  if (!exists && args.text('kernel') === undefined) {
    throw new ConfigError('NO_SUCH_VM', `there is no VM ${name}: give --kernel to make one, or --from to start one from a checkpoint.`);
  }
  const config = configFrom(args, exists ? Bundle.readConfig(path) : undefined);
  await client.request(exists ? 'vm.configure' : 'vm.create', { name, config });
  return args.text('kernel') !== undefined;
}

/** Until the VM runs there is nothing that a signal would have to end properly. */
function unlessSignalled<T>(signal: Promise<NodeJS.Signals>, name: string, work: Promise<T>): Promise<T> {
  const interrupted = signal.then(which => {
    throw new CairnError('INTERRUPTED', `${name} was not started, for ${which} came first.`);
  });
  return Promise.race([work, interrupted]);
}

async function runToEnd(
  service: HostService,
  client: HostClient,
  name: string,
  how: StartOptions,
  stdio: boolean,
  signal: Promise<NodeJS.Signals>,
  json: boolean,
  started: () => void,
): Promise<number> {
  const ended = service.whenEnded(name);
  const terminal = stdio ? await SerialTerminal.open(client, name) : undefined;
  try {
    await service.start(name, how);
    started();
    terminal?.listen();
    const unplug = () => client.request('vm.stop', { name, how: 'plug' }).catch(() => {}); // it may end by itself meanwhile
    void signal.then(async which => {
      if (which !== 'SIGINT') await service.hostEvent('shutdown'); // what a host that shuts down sends, or a terminal that goes away
      await unplug();
    });
    void terminal?.left.then(unplug);
    const end = await ended;
    if (end.kind === 'crashed') throw new CairnError('CRASHED', `${name} crashed: ${end.reason}`);
    if (json) printJson(end);
    return exitCodeOfEnd(end);
  } finally {
    terminal?.close();
  }
}

export function configFrom(args: Arguments, before: VmConfig | undefined): VmConfig {
  const path = (option: string) => {
    const text = args.text(option);
    return text === undefined ? undefined : resolve(text);
  };
  const kernel = path('kernel') ?? before?.kernel;
  // Another kernel does not want the old one's initrd.
  const initrd = path('initrd') ?? (args.text('kernel') === undefined ? before?.initrd : undefined);
  const memory = args.text('memory');
  const memoryMiB = memory === undefined ? (before?.memoryMiB ?? DEFAULT_MEMORY_MIB) : parseMemory('--memory', memory);
  if (memoryMiB > LARGEST_MEMORY_MIB) {
    throw new ConfigError('TOO_MUCH_MEMORY', `a VM can have at most ${LARGEST_MEMORY_MIB} MiB of memory, not ${memoryMiB}.`);
  }
  const fresh = args.text('kernel') !== undefined;
  const copyLimit = args.text('copy-limit');
  const chainDepth = args.text('chain-depth');
  const reboot = args.choice('reboot');
  const disks = args.texts('disk').map(text => parseDisk(text, sentence => printNotice({ level: 'warning', text: sentence })));
  const checked = vmConfig.safeParse({
    memoryMiB,
    ...(kernel === undefined ? {} : { kernel }),
    ...(initrd === undefined ? {} : { initrd }),
    append: args.text('append') ?? (fresh ? '' : (before?.append ?? '')),
    debugExit: args.choice('debug-exit') ?? (!fresh && (before?.debugExit ?? false)),
    noReboot: reboot === undefined ? !fresh && (before?.noReboot ?? false) : !reboot,
    disks: disks.length > 0 ? disks : (before?.disks ?? []),
    checkpointMode: args.text('checkpoint-mode') ?? before?.checkpointMode,
    chainDepth: chainDepth === undefined ? before?.chainDepth : chainDepth === 'auto' ? undefined : parseCount(chainDepth, 'chain-depth'),
    overwrite: args.choice('overwrite') ?? before?.overwrite,
    balloon: args.choice('balloon') ?? before?.balloon,
    rng: args.choice('rng') ?? before?.rng,
    rtc: choice(args, 'rtc', ['host', 'virtual']) ?? before?.rtc,
    compression: choice(args, 'compression', ['zstd', 'none']) ?? before?.compression,
    checkpointPace: choice(args, 'checkpoint-pace', ['gentle', 'normal', 'fast']) ?? before?.checkpointPace,
    copyLimitMiB:
      copyLimit === undefined ? before?.copyLimitMiB : copyLimit === 'auto' ? undefined : parseMemory('--copy-limit', copyLimit),
    keepInRam: args.choice('keep-in-ram') ?? before?.keepInRam,
    shareMemory: args.choice('share-memory') ?? before?.shareMemory,
    sharePace: before?.sharePace,
    encrypted: args.choice('encrypt') ?? before?.encrypted,
    checkpointStore: path('checkpoint-store') ?? before?.checkpointStore,
  });
  if (checked.success) return checked.data;
  throw new ConfigError('BAD_CONFIG', `${problemOf(checked.error.issues[0]!, OPTION_OF)}.`);
}

/** The option that sets it. What is not here has its own name, in other writing. */
const OPTION_OF: Readonly<Record<string, string>> = {
  memoryMiB: '--memory',
  copyLimitMiB: '--copy-limit',
  noReboot: '--reboot',
  encrypted: '--encrypt',
};

/** An id anywhere in the library, NAME/ID, or the path of a file in a VM's folder. */
function findCheckpoint(service: HostService, from: string): { vm: string; id: string } {
  const { library } = service;
  const has = (vm: string, id: string) => storedFiles.exists(`${library.bundlePath(vm)}/checkpoints/${id}.ckpt`);
  const file = /^(.*\.cairn)[/\\]checkpoints[/\\]([0-9a-z]+)\.ckpt$/.exec(resolve(from));
  if (file && storedFiles.exists(resolve(from)) && resolve(library.path, basename(file[1]!)) === file[1])
    return { vm: nameOf(file[1]!), id: file[2]! };
  const slash = from.lastIndexOf('/');
  const id = from.slice(slash + 1);
  if (/^[0-9a-z]{8,32}$/.test(id)) {
    const names = slash < 0 ? library.names() : library.names().filter(name => name === from.slice(0, slash));
    const vm = names.find(name => has(name, id));
    if (vm !== undefined) return { vm, id };
  }
  throw new ConfigError(
    'NO_SUCH_CHECKPOINT',
    `there is no checkpoint ${from} in ${library.path}: \`cairn checkpoint list NAME\` shows a VM's.`,
  );
}

/** Undefined when it is not given. */
function choice<T extends string>(args: Arguments, option: string, values: readonly T[]): T | undefined {
  return args.text(option) === undefined ? undefined : oneOf(args, option, values);
}

function oneOf<T extends string>(args: Arguments, option: string, values: readonly T[]): T {
  const given = args.text(option) ?? values[0]!;
  const found = values.find(value => value === given);
  if (found === undefined) throw new UsageError(`--${option} takes ${values.join(' or ')}, not “${given}”.`);
  return found;
}
