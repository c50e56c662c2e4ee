import { expect, test } from 'vitest';
import { workOf } from './work-words.ts';

const idle = { progress: undefined, pending: undefined, diskWork: [] };

test('a checkpoint is told step by step, from the moment it is asked for', () => {
  expect(workOf(idle)).toEqual([]);
  expect(workOf({ ...idle, pending: 'take' })).toEqual([{ words: 'Checkpoint: preparing' }]);
  const words = [802, 804, 814, 820, 824, 832].map(step => workOf({ ...idle, progress: { step, share: 0.5 } })[0]);
  expect(words.map(work => work?.words)).toEqual([
    ...['Checkpoint: preparing', 'Checkpoint: the machine stands still', 'Checkpoint: the machine stands still'],
    ...['Checkpoint: writing the devices', 'Checkpoint: writing memory', 'Checkpoint: making it durable'],
  ]);
  expect(words.map(work => work?.share)).toEqual([undefined, undefined, undefined, undefined, 0.5, undefined]);
});

test('the collector’s steps have words and, where a size is known, a share; a step of a newer Cairn is told, too', () => {
  const work = (step: string, doneBytes: number, totalBytes: number) =>
    workOf({ ...idle, diskWork: [{ disk: 'disk1', step, doneBytes, totalBytes }] })[0];
  expect(work('commit-base', 1 << 20, 4 << 20)).toEqual({ words: 'disk1: merging changes into the base, 1.0 MiB of 4.0 MiB', share: 0.25 });
  expect(work('delete', 0, 0)).toEqual({ words: 'disk1: removing a file that nothing needs' });
  expect(work('defragment', 3, 2)).toEqual({ words: 'disk1: tidying up, 3 B of 2 B', share: 1 });
});
