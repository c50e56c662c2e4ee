import { expect, test } from 'vitest';
import { vmConfig } from './ipc/contract.ts';
import { problem, problemOf } from './problem.ts';

const good = { memoryMiB: 64, append: '', debugExit: false, noReboot: false };
const issueOf = (more: object) => vmConfig.safeParse({ ...good, ...more }).error!.issues[0]!;

test('what does not fit is told without inner names and without the words of a library', () => {
  const told = [
    { memoryMiB: 2 },
    { memoryMiB: 'much' },
    { noReboot: 3 },
    { disks: [{ path: 1 }] },
    { copyLimitMiB: 5000 },
    { compression: 'zip' },
  ].map(more => problemOf(issueOf(more)));
  expect(told).toEqual([
    'memory: a VM needs at least 4 MiB',
    'memory: a whole number of MiB is wanted',
    'no reboot: true or false is wanted',
    'disks, number 1, path: text is wanted',
    'copy limit: copies can take at most 4096 MiB',
    'compression: one of zstd, none is wanted',
  ]);
});

test('an option has the name that the user gave it', () => {
  expect(problemOf(issueOf({ memoryMiB: 2 }), { memoryMiB: '--memory' })).toBe('--memory: a VM needs at least 4 MiB');
});

test('text that is not JSON is told with its place', () => {
  const thrown = (text: string) => {
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      return error;
    }
  };
  expect(problem(thrown('{\n"a": 1,,}'))).toBe('it is not JSON (line 2, column 8)');
  expect(problem(thrown(''))).toBe('it is not JSON');
});
