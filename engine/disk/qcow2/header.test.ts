import { expect, test } from 'vitest';
import { crashEverywhere } from '#test/support/disk-crash.ts';
import { expectClean, memoryHost } from '#test/support/disk-model.ts';
import { diskInfo } from '../info.ts';
import { createQcow2 } from './create.ts';
import { readHeader, writeBacking } from './header.ts';

const PATH = '/vm/disk';
const long = (letter: string) => `${letter.repeat(900)}é`;

test.each([
  ['short names', ['a', 'b', 'ü', 'a'], 512],
  ['long names', [long('a'), long('b'), 'short', long('c'), long('d'), long('e')], 4096],
])('%s replace each other, and a crash leaves one or the other whole', (_, names, clusterBytes) => {
  const crashes = crashEverywhere(
    files =>
      createQcow2(files, memoryHost(files).codec, PATH, { sizeBytes: 65536, clusterBytes, backing: { name: names[0]!, format: 'raw' } }),
    (files, progress) => {
      using file = files.openWrite(PATH);
      const header = readHeader(file);
      for (const name of names.slice(1)) {
        progress.next = name;
        writeBacking(file, header, name, 'qcow2');
        progress.now = name;
      }
    },
    () => ({ now: names[0]!, next: names[0]! }),
    (found, { now, next }) => {
      expect([now, next]).toContain(diskInfo(memoryHost(found), PATH, 'qcow2').qcow2?.backing?.name);
      expectClean(memoryHost(found), PATH);
    },
  );
  expect(crashes).toBeGreaterThan(5);
});
