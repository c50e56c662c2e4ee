import { mkdtempSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Library } from './library.ts';
import { LibraryWatch } from './library-watch.ts';

test('a library that is away for a while ends nothing, and its VMs are not taken for removed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-watch-'));
  const path = join(folder, 'library');
  const library = new Library(path);
  mkdirSync(join(path, 'a.cairn'));
  const told: string[] = [];
  let tell = () => {};
  const note = (what: string) => (name: string) => {
    told.push(`${name} ${what}`);
    tell();
  };
  let looks = 0;
  let looked = () => {};
  const watch = new LibraryWatch(library, { changed: note('changed'), removed: note('removed'), unsettled: () => [] });
  const names = library.names.bind(library);
  library.names = () => {
    looks++;
    looked();
    return names();
  };
  watch.start();
  renameSync(path, `${path}.away`);
  expect(() => library.names()).toThrow(/library folder .* cannot be listed/);
  looks = 0;
  await new Promise<void>(resolve => {
    looked = () => looks === 2 && resolve(); // it has looked in vain, and looks once more
  });
  renameSync(`${path}.away`, path);
  const change = new Promise<void>(resolve => (tell = resolve));
  writeFileSync(join(path, 'a.cairn', 'vm.json'), '{}');
  await change;
  expect(told).toEqual(['a changed']);
  watch.stop();
  rmSync(folder, { recursive: true });
});
