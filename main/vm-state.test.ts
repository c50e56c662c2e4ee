import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { VmBox } from '#test/support/vm-box.ts';
import type { Bundle } from './bundle.ts';
import { checkMarks, goneParents, livingParent } from './vm-state.ts';

let box: VmBox;
let path: string;
beforeEach(() => {
  box = new VmBox();
  ({ path } = box);
});
afterEach(() => box.dispose());

const open = () => box.open();
const take = (bundle: Bundle, title: string) => box.take(bundle, title, { trigger: 'period', mode: 'copy', poweredOnMs: 5000 });
const remove = (bundle: Bundle, id: string) => rmSync(bundle.checkpointPath(id));
const loseCatalogue = () => rmSync(join(path, 'catalog.db'));

/** one ← two ← three, of which two is eliminated and three marked. */
async function history(bundle: Bundle) {
  const one = await take(bundle, 'one');
  const two = await take(bundle, 'two');
  const three = await take(bundle, 'three');
  bundle.mark(three, { title: 'last', note: 'before the upgrade', pinned: true });
  bundle.prepareToForget([two]);
  remove(bundle, two);
  bundle.forget([two]);
  return { one, two, three };
}

test('titles and notes of all checkpoints may take what can be read again, and more is refused before anything is lost', async () => {
  const most = 32 << 20;
  const state = (noteBytes: number) => ({ marks: { checkpoint1: { note: 'x'.repeat(noteBytes) } } });
  const frame = JSON.stringify(state(0).marks, undefined, 2).length;
  expect(() => checkMarks('/vm', state(most - frame))).not.toThrow();
  expect(() => checkMarks('/vm', state(most - frame + 1))).toThrow(
    expect.objectContaining({ code: 'TOO_MUCH_SAID', message: expect.stringContaining('can take 32.0 MiB') }),
  );
  const bundle = await open();
  const id = await take(bundle, 'one');
  bundle.mark(id, { note: 'kept' });
  bundle.close();
});

describe('what a lost catalogue does not take with it', () => {
  test('where the machine stands, what the user said, and the tree after eliminations', async () => {
    let bundle = await open();
    const { one, three } = await history(bundle);
    bundle.stand(one, one);
    bundle.setPoweredOn(7000);
    const before = bundle.catalog.list();
    bundle.close();
    loseCatalogue();
    bundle = await open();
    expect(bundle.catalog.list()).toEqual(before);
    expect(before[1]).toMatchObject({ id: three, parent: one, title: 'last', note: 'before the upgrade', pinned: true });
    expect(before[1]).toMatchObject({ trigger: 'period', mode: 'copy', poweredOnMs: 5000 });
    expect([bundle.current, bundle.resume, bundle.poweredOnMs]).toEqual([one, one, 7000]);
    expect(bundle.notices).toEqual([]);
    bundle.close();
  });

  test('an elimination that ended between the files and the rest: nothing is told to be missing, and the tree is whole', async () => {
    let bundle = await open();
    const one = await take(bundle, 'one');
    const two = await take(bundle, 'two');
    const three = await take(bundle, 'three');
    bundle.stand(two, two);
    bundle.prepareToForget([two]);
    remove(bundle, two);
    bundle.close();
    bundle = await open();
    expect(bundle.notices).toEqual([]);
    expect(bundle.catalog.parents()).toEqual([
      { id: one, parent: null, fileParent: null },
      { id: three, parent: one, fileParent: two },
    ]);
    expect([bundle.current, bundle.resume]).toEqual([one, undefined]);
    bundle.close();
  });

  test('an elimination that ended before its file went is none', async () => {
    let bundle = await open();
    const one = await take(bundle, 'one');
    const two = await take(bundle, 'two');
    bundle.prepareToForget([one]);
    bundle.close();
    loseCatalogue();
    bundle = await open();
    expect(bundle.catalog.parents()).toEqual([
      { id: one, parent: null, fileParent: null },
      { id: two, parent: one, fileParent: one },
    ]);
    bundle.close();
    expect(JSON.parse(readFileSync(join(path, 'state.json'), 'utf8'))).toMatchObject({ current: two, gone: {} });
  });

  test('state.json does not grow with what was eliminated', async () => {
    const bundle = await open();
    for (let n = 0; n < 5; n++) {
      const doomed = await take(bundle, 'periodic');
      bundle.prepareToForget([doomed]);
      remove(bundle, doomed);
      bundle.forget([doomed]);
    }
    expect(JSON.parse(readFileSync(join(path, 'state.json'), 'utf8'))).toEqual({ version: 1, poweredOnMs: 5000, marks: {}, gone: {} });
    bundle.close();
  });
});

test('opening what is whole writes nothing: whoever watches the files sees no change', async () => {
  let bundle = await open();
  await history(bundle);
  bundle.close();
  const contents = () => ['catalog.db', 'state.json', 'vm.json'].map(file => readFileSync(join(path, file)));
  const before = contents();
  bundle = await open();
  bundle.close();
  expect(contents()).toEqual(before);
});

test('a state.json that is damaged is put aside and made anew from the catalogue', async () => {
  let bundle = await open();
  const { one, three } = await history(bundle);
  bundle.close();
  writeFileSync(join(path, 'state.json'), '{"version": 1, "current": "../../etc"');
  bundle = await open();
  expect(bundle.notices).toEqual([expect.stringContaining('state.json was damaged')]);
  expect(bundle.current).toBe(three);
  expect(bundle.catalog.get(three)).toMatchObject({ parent: one, title: 'last', pinned: true });
  expect(
    readdirSync(path)
      .filter(name => name.startsWith('state.json'))
      .toSorted(),
  ).toEqual(['state.json', `state.json.damaged-${process.pid}`]);
  bundle.close();
  loseCatalogue();
  bundle = await open();
  expect(bundle.catalog.get(three)).toMatchObject({ parent: one, title: 'last', note: 'before the upgrade', pinned: true });
  bundle.close();
});

test('parents over several that are gone, and circles in a file that nobody vouches for', () => {
  const rows = [
    { id: 'a', parent: null, fileParent: null },
    { id: 'b', parent: 'a', fileParent: 'a' },
    { id: 'c', parent: 'b', fileParent: 'b' },
    { id: 'd', parent: 'c', fileParent: 'c' },
  ];
  expect(goneParents(rows, new Set(['b', 'c']))).toEqual({ c: 'a' });
  expect(goneParents(rows, new Set(['a', 'b', 'c']))).toEqual({ c: null });
  expect(livingParent('c', id => id === 'a', { c: 'b', b: 'a' })).toBe('a');
  expect(livingParent('c', () => false, { c: 'b', b: 'c' })).toBeNull();
});
