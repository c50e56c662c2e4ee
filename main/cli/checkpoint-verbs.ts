/** cairn checkpoint take|list|show|revert|rename|note|keep|delete|history */
import { checkpointMode, type Checkpoint, type CheckpointFigures } from '../ipc/contract.ts';
import { readArguments } from './args.ts';
import { EXIT_OK, UsageError } from './exit-codes.ts';
import { formatBytes, printJson, printLine, printTable } from './output.ts';
import { checkpointHistory, deleteCheckpoints, keep, note, showCheckpoint } from './checkpoint-tree-verbs.ts';
import { givenPassphrase, PASSPHRASE_OPTION } from './passphrase-option.ts';
import { withClient } from './with-service.ts';

const VERBS: Readonly<Record<string, (argv: readonly string[]) => Promise<number>>> = {
  take,
  list,
  show: showCheckpoint,
  revert,
  rename,
  note,
  keep,
  delete: deleteCheckpoints,
  history: checkpointHistory,
};

export async function checkpointVerb(argv: readonly string[]): Promise<number> {
  const [word, ...rest] = argv;
  const verb = word !== undefined && Object.hasOwn(VERBS, word) ? VERBS[word] : undefined;
  if (verb) return verb(rest);
  throw new UsageError(`cairn checkpoint takes ${Object.keys(VERBS).join(', ')}${word === undefined ? '' : `, not “${word}”`}.`);
}

async function take(argv: readonly string[]): Promise<number> {
  const args = readArguments('checkpoint take', argv, ['NAME'], { title: { type: 'string' }, mode: { type: 'string' } });
  const mode = args.text('mode') === undefined ? undefined : checkpointMode.safeParse(args.text('mode'));
  if (mode?.success === false) throw new UsageError(`--mode takes ${checkpointMode.options.join(', ')}, not “${args.text('mode')}”.`);
  const request = { name: args.words[0]!, title: args.text('title') ?? '', ...(mode && { mode: mode.data }) };
  let cost: CheckpointFigures | undefined;
  const taken = await withClient(client => {
    client.on('checkpoint.progress', ({ name, figures }) => {
      if (name === request.name && figures !== undefined) cost = dearest(figures, cost);
    });
    return client.request('checkpoint.take', request);
  });
  if (args.flag('json')) printJson({ ...taken, ...(cost && { figures: cost }) });
  else {
    printLine(
      `${taken.id}  “${taken.title}”: paused ${taken.pauseMs.toFixed(2)} ms, ${formatBytes(taken.bytesWritten)} in ${Math.round(taken.totalMs)} ms`,
    );
    if (cost && cost.copiedBytes > 0) printLine(costInWords(cost));
  }
  return EXIT_OK;
}

/** The most of each figure; what has no most is as it was told last. */
function dearest(now: CheckpointFigures, before: CheckpointFigures = now): CheckpointFigures {
  const most = (figure: keyof CheckpointFigures) => Math.max(now[figure], before[figure]);
  return { ...now, copiedBytes: most('copiedBytes'), faultsPerSecond: most('faultsPerSecond'), restShare: most('restShare') };
}

function costInWords({ copiedBytes, limitBytes, faultsPerSecond, restShare }: CheckpointFigures): string {
  const slowed = restShare > 0 ? `, the guest slowed by up to ${Math.round(restShare * 100)} %` : '';
  return `  meanwhile: copies of up to ${formatBytes(copiedBytes)} of ${formatBytes(limitBytes)}, up to ${Math.round(faultsPerSecond)} COW faults/s${slowed}`;
}

async function list(argv: readonly string[]): Promise<number> {
  const args = readArguments('checkpoint list', argv, ['NAME']);
  const name = args.words[0]!;
  const [checkpoints, vm] = await withClient(
    async client => [await client.request('checkpoint.list', { name }), await client.request('vm.show', { name })] as const,
  );
  if (args.flag('json')) {
    printJson(checkpoints);
    return EXIT_OK;
  }
  if (checkpoints.length === 0) {
    printLine(`${name} has no checkpoints.`);
    return EXIT_OK;
  }
  const rows = inTreeOrder(checkpoints).map(({ checkpoint, depth }) => [
    checkpoint.id,
    `${'  '.repeat(depth)}${checkpoint.title}${checkpoint.pinned ? '  (kept)' : ''}${checkpoint.id === vm.current ? '  ← you are here' : ''}`,
    checkpoint.takenAt,
    checkpoint.trigger,
    formatBytes(checkpoint.bytesWritten),
    checkpoint.disks.length === 0 ? '-' : `${checkpoint.disks.length}${checkpoint.mode === undefined ? '' : ` ${checkpoint.mode}`}`,
    checkpoint.running ? `${checkpoint.pauseMs.toFixed(2)} ms` : 'off',
  ]);
  printTable(['ID', 'TITLE', 'TAKEN', 'BY', 'SIZE', 'DISKS', 'PAUSE'], rows);
  return EXIT_OK;
}

async function revert(argv: readonly string[]): Promise<number> {
  const args = readArguments('checkpoint revert', argv, ['NAME', 'ID'], PASSPHRASE_OPTION);
  const [name, id] = args.words as [string, string];
  const passphrase = givenPassphrase(args);
  const vm = await withClient(client => client.request('checkpoint.revert', { name, id, ...(passphrase !== undefined && { passphrase }) }));
  if (args.flag('json')) printJson(vm);
  else printLine(vm.state === 'off' ? `${name} goes on from ${id} when it is started.` : `${name} goes on from ${id}.`);
  return EXIT_OK;
}

async function rename(argv: readonly string[]): Promise<number> {
  const args = readArguments('checkpoint rename', argv, ['NAME', 'ID', 'TITLE']);
  const [name, id, title] = args.words as [string, string, string];
  const renamed = await withClient(client => client.request('checkpoint.rename', { name, id, title }));
  if (args.flag('json')) printJson(renamed);
  else printLine(`${renamed.id}  “${renamed.title}”`);
  return EXIT_OK;
}

function inTreeOrder(checkpoints: readonly Checkpoint[]): { checkpoint: Checkpoint; depth: number }[] {
  const ids = new Set(checkpoints.map(({ id }) => id));
  const below = (parent: string | null, depth: number): { checkpoint: Checkpoint; depth: number }[] =>
    checkpoints
      .filter(checkpoint => (parent === null ? checkpoint.parent === null || !ids.has(checkpoint.parent) : checkpoint.parent === parent))
      .flatMap(checkpoint => [{ checkpoint, depth }, ...below(checkpoint.id, depth + 1)]);
  return below(null, 0);
}
