import { describe, expect, test } from 'vitest';
import type { VmConfig } from '../ipc/contract.ts';
import { readArguments } from './args.ts';
import { configFrom, OPTIONS } from './run.ts';

const config = (argv: readonly string[], before?: VmConfig) =>
  configFrom(readArguments('run', argv, [], OPTIONS, { allowNegative: true }), before);
const PLAIN = config(['--kernel', '/k', '--memory', '64M']);
const GIVEN = config([
  ...['--kernel', '/k', '--memory', '64M', '--copy-limit', '8M'],
  ...['--overwrite', '--balloon', '--keep-in-ram', '--share-memory', '--encrypt', '--debug-exit', '--no-reboot'],
]);

describe('what a VM was given with cairn run', () => {
  test('stays when nothing is said of it', () => {
    expect(GIVEN).toMatchObject({
      overwrite: true,
      balloon: true,
      keepInRam: true,
      shareMemory: true,
      encrypted: true,
      debugExit: true,
      noReboot: true,
    });
    expect(config([], GIVEN)).toEqual(GIVEN);
  });

  test.each([
    ['--no-overwrite', 'overwrite'],
    ['--no-balloon', 'balloon'],
    ['--no-keep-in-ram', 'keepInRam'],
    ['--no-share-memory', 'shareMemory'],
    ['--no-encrypt', 'encrypted'],
    ['--no-debug-exit', 'debugExit'],
    ['--reboot', 'noReboot'],
  ] as const)('%s takes it back, and nothing else', (option, field) => {
    expect(config([option], GIVEN)).toEqual({ ...GIVEN, [field]: false });
  });

  test('the limit of copies goes back to what the VM’s memory gives', () => {
    expect(GIVEN.copyLimitMiB).toBe(8);
    expect(config(['--copy-limit', 'auto'], GIVEN).copyLimitMiB).toBeUndefined();
  });

  test('a VM of another kernel begins with the plain reset and no debug port', () => {
    expect(config(['--kernel', '/other'], GIVEN)).toMatchObject({ debugExit: false, noReboot: false, encrypted: true });
    expect(PLAIN).toMatchObject({ overwrite: false, debugExit: false, noReboot: false });
  });

  test('what takes a value cannot be taken back that way', () => {
    expect(() => config(['--no-memory'])).toThrow(/there is no option --no-memory/);
    expect(() => config(['--encrypted'])).toThrow(/there is no option --encrypted/);
  });
});
