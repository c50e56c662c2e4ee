/** cairn checkpoint show|note|keep|delete|history: what is known of checkpoints, and which stay. */
import type { CheckpointDetail, Elimination, HistoryEntry } from '../ipc/contract.ts';
import { readArguments } from './args.ts';
import { EXIT_OK, UsageError } from './exit-codes.ts';
import { formatBytes, printJson, printLine } from './output.ts';
import { withClient } from './with-service.ts';

const DEFAULT_LIMIT = 50;

export async function showCheckpoint(argv: readonly string[]): Promise<number> {
  const args = readArguments('checkpoint show', argv, ['NAME', 'ID']);
  const [name, id] = args.words as [string, string];
  const detail = await withClient(client => client.request('checkpoint.show', { name, id }));
  if (args.flag('json')) printJson(detail);
  else for (const line of detailLines(detail)) printLine(line);
  return EXIT_OK;
}

export async function note(argv: readonly string[]): Promise<number> {
  const args = readArguments('checkpoint note', argv, ['NAME', 'ID', 'TEXT']);
  const [name, id, text] = args.words as [string, string, string];
  const marked = await withClient(client => client.request('checkpoint.mark', { name, id, note: text }));
  if (args.flag('json')) printJson(marked);
  else printLine(`${marked.id}  “${marked.title}”: ${marked.note === '' ? 'no note' : marked.note}`);
  return EXIT_OK;
}

export async function keep(argv: readonly string[]): Promise<number> {
  const args = readArguments('checkpoint keep', argv, ['NAME', 'ID'], { off: { type: 'boolean' } });
  const [name, id] = args.words as [string, string];
  const marked = await withClient(client => client.request('checkpoint.mark', { name, id, pinned: !args.flag('off') }));
  if (args.flag('json')) printJson(marked);
  else printLine(`${marked.id}  “${marked.title}” is ${marked.pinned ? 'kept' : 'kept no longer'}.`);
  return EXIT_OK;
}

export async function deleteCheckpoints(argv: readonly string[]): Promise<number> {
  const args = readArguments('checkpoint delete', argv, ['NAME', 'ID...'], { children: { type: 'boolean' }, force: { type: 'boolean' } });
  const [name, ...ids] = args.words as [string, ...string[]];
  const done = await withClient(client =>
    client.request('checkpoint.delete', { name, ids, children: args.flag('children'), force: args.flag('force') }),
  );
  if (args.flag('json')) printJson(done);
  else printLine(deletedWords(done));
  return EXIT_OK;
}

export async function checkpointHistory(argv: readonly string[]): Promise<number> {
  const args = readArguments('checkpoint history', argv, ['NAME'], { limit: { type: 'string' } });
  const limit = Number(args.text('limit') ?? DEFAULT_LIMIT);
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000)
    throw new UsageError(`--limit ${args.text('limit')} is no number of entries: 1 to 10000.`);
  const told = await withClient(client => client.request('checkpoint.history', { name: args.words[0]!, limit }));
  if (args.flag('json')) {
    printJson(told);
    return EXIT_OK;
  }
  for (const { operation, startedAt, details } of told.underWay)
    printLine(`${startedAt}  under way: ${operation} ${JSON.stringify(details)}`);
  for (const entry of told.history) printLine(historyLine(entry));
  return EXIT_OK;
}

function deletedWords({ ids, freedBytes, keptBytes, clones }: Elimination): string {
  const what = ids.length === 1 ? `${ids[0]} is deleted` : `${ids.length} checkpoints are deleted`;
  const kept = keptBytes === 0 ? '' : `; ${formatBytes(keptBytes)} stay, for others need them`;
  return `${what}: ${formatBytes(freedBytes)} are free again${kept}${clones.length === 0 ? '' : ` (linked clones: ${clones.join(', ')})`}.`;
}

function detailLines({ checkpoint, children, memory, disks, alone, withChildren }: CheckpointDetail): string[] {
  const { id, title, takenAt, trigger, pinned, note, parent, running, pauseMs, totalMs, mode } = checkpoint;
  const lines: (readonly [string, string | undefined])[] = [
    ['taken', `${takenAt}, by ${trigger}`],
    ['paused', running ? `${pauseMs.toFixed(2)} ms, ${Math.round(totalMs)} ms in all` : 'the VM was off'],
    ['kept', pinned ? 'yes' : undefined],
    ['note', note === '' ? undefined : note],
    ['parent', parent ?? '-'],
    ['children', children.length === 0 ? '-' : children.join(', ')],
    ['memory', `${formatBytes(memory.ownBytes)} of its own, ${formatBytes(memory.sharedBytes)} that later ones point to`],
    ['mode', mode],
    ...disks.flatMap(({ disk, layers }) => layers.map((layer, n) => [n === 0 ? disk : '', layerWords(layer)] as const)),
    ['clones', alone.clones.length === 0 ? undefined : alone.clones.join(', ')],
    ['deleting', `frees ${formatBytes(alone.freedBytes)}`],
    [
      '',
      withChildren.ids.length > 1 ? `with all ${withChildren.ids.length - 1} below it: ${formatBytes(withChildren.freedBytes)}` : undefined,
    ],
  ];
  return [`${id}  “${title}”`, ...lines.filter(([, text]) => text !== undefined).map(([key, text]) => `  ${key.padEnd(10)}${text}`)];
}

function layerWords({ file, bytes, shared }: CheckpointDetail['disks'][number]['layers'][number]): string {
  return `${file}, ${formatBytes(bytes)}${shared === 0 ? '' : `, also of ${shared} other${shared === 1 ? '' : 's'}`}`;
}

function historyLine({ at, event, checkpoint, details }: HistoryEntry): string {
  const figures = Object.entries(details).map(
    ([key, value]) => `${key} ${typeof value === 'string' ? `“${value}”` : JSON.stringify(value)}`,
  );
  return [at, event.padEnd(11), checkpoint ?? '-', figures.join(', ')].join('  ');
}
