import { expect, test } from 'vitest';
import { CheckpointError, StorageError } from '#engine/errors/errors.ts';
import { PatientPages } from './page-loading.ts';

test('storage that fails is waited for and read again; what is damaged is told at once', () => {
  const failures: Error[] = [new StorageError('STORAGE', 'it cannot be read.'), new StorageError('STORAGE', 'still not.')];
  const loaded: number[] = [];
  const pages = new PatientPages({
    load: gppn => {
      const failure = failures.shift();
      if (failure) throw failure;
      loaded.push(gppn);
    },
    loadNext: () => false,
  });
  const waited: string[] = [];
  pages.wait = reason => void waited.push(reason);
  pages.load(7);
  expect([loaded, waited]).toEqual([[7], ['it cannot be read.', 'still not.']]);
  failures.push(new CheckpointError('CHECKPOINT_DAMAGED', 'it is damaged.'));
  expect(() => pages.load(8)).toThrow('it is damaged');
});
