import { describe, expect, test } from 'vitest';
import { NO_POLICY } from '../ipc/contract.ts';
import { readArguments, type Options } from './args.ts';
import { formatDuration, parseDuration } from './durations.ts';
import { changesOf, wordsOf } from './policy-verbs.ts';

const OPTIONS: Options = Object.fromEntries(
  ['every', 'keep', 'on-battery', 'battery-low', 'suspend', 'shutdown', 'before-reset', 'power-off', 'disk-low'].map(option => [
    option,
    { type: 'string' },
  ]),
);
const changes = (...argv: string[]) => changesOf(readArguments('policy set', ['vm', ...argv], ['NAME'], OPTIONS));

describe('cairn policy', () => {
  test('reads what is to change, and nothing else', () => {
    expect(changes('--every', '15m', '--keep', 'all:1h,1h:1d,1d:30d')).toEqual({
      everySeconds: 900,
      keep: [
        { everySeconds: 0, forSeconds: 3600 },
        { everySeconds: 3600, forSeconds: 86_400 },
        { everySeconds: 86_400, forSeconds: 30 * 86_400 },
      ],
    });
    expect(changes('--every', 'off', '--keep', 'all', '--battery-low', 'off', '--disk-low', 'off')).toEqual({
      everySeconds: null,
      keep: [],
      batteryLowPercent: null,
      diskLowMiB: null,
    });
    expect(changes('--battery-low', '10%', '--disk-low', '5G', '--before-reset', 'on', '--shutdown', 'off')).toEqual({
      batteryLowPercent: 10,
      diskLowMiB: 5120,
      reset: true,
      shutdown: false,
    });
  });

  test.each([
    [['--every', '15'], '--every: 15 is no time'],
    [['--every', '0m'], '--every: 0m is no time'],
    [['--keep', '1h'], '--keep 1h is no tier'],
    [['--keep', 'all:1h,x:1d'], '--keep: x is no time'],
    [['--battery-low', '100'], '--battery-low 100 is no share'],
    [['--disk-low', 'much'], '--disk-low much is no size'],
    [['--suspend', 'yes'], '--suspend takes on or off'],
    [[], 'needs something to set'],
  ])('refuses %j', (argv, sentence) => {
    expect(() => changes(...argv)).toThrow(sentence);
  });

  test('says it in words', () => {
    expect(wordsOf({ ...NO_POLICY, everySeconds: 900, reset: true, shutdown: true })).toEqual([
      'periodic     every 15 min of powered-on time',
      'keep         all for 1 h, one in 1 h for 1 d, one in 1 d for 30 d',
      'also at      shutdown, before-reset',
      'battery low  off',
      'disk low     1024 MiB',
    ]);
    expect(['45s', '90m', '36h', '7d'].map(text => formatDuration(parseDuration('every', text)))).toEqual([
      '45 s',
      '90 min',
      '36 h',
      '7 d',
    ]);
  });
});
