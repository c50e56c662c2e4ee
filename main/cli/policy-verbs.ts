/** cairn policy show|set */
import { policy as policySchema, type Policy, type RetentionTier } from '../ipc/contract.ts';
import { parseMemory, readArguments, type Arguments, type Options } from './args.ts';
import { formatDuration, parseDuration } from './durations.ts';
import { EXIT_OK, UsageError } from './exit-codes.ts';
import { printJson, printLine } from './output.ts';
import { withClient } from './with-service.ts';

/** Options that are on or off, and the field of each. */
const SWITCHES = {
  'on-battery': 'onBattery',
  suspend: 'suspend',
  shutdown: 'shutdown',
  'before-reset': 'reset',
  'power-off': 'powerOff',
} as const;
const OPTIONS: Options = Object.fromEntries(
  ['every', 'keep', 'battery-low', 'disk-low', ...Object.keys(SWITCHES)].map(option => [option, { type: 'string' }]),
);

export async function policyVerb(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  if (verb === 'show') return show(rest);
  if (verb === 'set') return set(rest);
  throw new UsageError(`cairn policy takes show or set${verb === undefined ? '' : `, not “${verb}”`}.`);
}

async function show(argv: readonly string[]): Promise<number> {
  const args = readArguments('policy show', argv, ['NAME']);
  print(args, await withClient(client => client.request('policy.show', { name: args.words[0]! })));
  return EXIT_OK;
}

async function set(argv: readonly string[]): Promise<number> {
  const args = readArguments('policy set', argv, ['NAME'], OPTIONS);
  const name = args.words[0]!;
  const changes = changesOf(args);
  const changed = await withClient(async client => {
    const wanted = policySchema.safeParse({ ...(await client.request('policy.show', { name })), ...changes });
    if (!wanted.success) throw new UsageError(`${wanted.error.issues[0]!.message}.`);
    return client.request('policy.set', { name, policy: wanted.data });
  });
  print(args, changed);
  return EXIT_OK;
}

/** What the options say, and nothing else. */
export function changesOf(args: Arguments): Partial<Policy> {
  const every = args.text('every');
  const keep = args.text('keep');
  const batteryLow = args.text('battery-low');
  const diskLow = args.text('disk-low');
  const changes: Partial<Policy> = {
    ...(every === undefined ? {} : { everySeconds: every === 'off' ? null : parseDuration('every', every) }),
    ...(keep === undefined ? {} : { keep: keep === 'all' ? [] : keep.split(',').map(parseTier) }),
    ...(batteryLow === undefined ? {} : { batteryLowPercent: batteryLow === 'off' ? null : parsePercent(batteryLow) }),
    ...(diskLow === undefined ? {} : { diskLowMiB: diskLow === 'off' ? null : parseMemory('--disk-low', diskLow) }),
  };
  for (const [option, field] of Object.entries(SWITCHES)) {
    const said = args.text(option);
    if (said === undefined) continue;
    if (said !== 'on' && said !== 'off') throw new UsageError(`--${option} takes on or off, not “${said}”.`);
    changes[field] = said === 'on';
  }
  if (Object.keys(changes).length === 0) throw new UsageError('`cairn policy set` needs something to set: `cairn policy --help` lists it.');
  return changes;
}

/** "all:1h", "1h:1d" */
function parseTier(text: string): RetentionTier {
  const [every, reach, ...more] = text.split(':');
  if (every === undefined || reach === undefined || more.length > 0)
    throw new UsageError(`--keep ${text} is no tier: write all:1h for all of the last hour, 1h:1d for one an hour for a day.`);
  return { everySeconds: every === 'all' ? 0 : parseDuration('keep', every), forSeconds: parseDuration('keep', reach) };
}

function parsePercent(text: string): number {
  const match = /^(\d{1,2})%?$/.exec(text);
  if (!match) throw new UsageError(`--battery-low ${text} is no share of a battery: write 10 for ten per cent, or off.`);
  return Number(match[1]);
}

function print(args: Arguments, policy: Policy): void {
  if (args.flag('json')) return printJson(policy);
  for (const line of wordsOf(policy)) printLine(line);
}

export function wordsOf(policy: Policy): string[] {
  const switches = Object.entries(SWITCHES).filter(([, field]) => policy[field]);
  const tiers = policy.keep.map(({ everySeconds, forSeconds }) =>
    everySeconds === 0
      ? `all for ${formatDuration(forSeconds)}`
      : `one in ${formatDuration(everySeconds)} for ${formatDuration(forSeconds)}`,
  );
  return [
    `periodic     ${policy.everySeconds === null ? 'off' : `every ${formatDuration(policy.everySeconds)} of powered-on time`}`,
    `keep         ${tiers.length === 0 ? 'everything' : tiers.join(', ')}`,
    `also at      ${switches.length === 0 ? 'nothing else' : switches.map(([option]) => option).join(', ')}`,
    `battery low  ${policy.batteryLowPercent === null ? 'off' : `${policy.batteryLowPercent} %`}`,
    `disk low     ${policy.diskLowMiB === null ? 'off' : `${policy.diskLowMiB} MiB`}`,
  ];
}
