import {
  cpSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { VmBox } from '#test/support/vm-box.ts';
import { smallConfig } from '#test/support/vm-config.ts';
import { Bundle } from './bundle.ts';
import { readCheckpointInfo } from './checkpoint-files.ts';
import type { CheckpointFacts, VmConfig } from './ipc/contract.ts';

const config: VmConfig = { ...smallConfig, append: 'quiet', noReboot: true };
let box: VmBox;
let folder: string;
let path: string;
beforeEach(() => {
  box = new VmBox(config);
  ({ folder, path } = box);
});
afterEach(() => box.dispose());

const open = () => box.open();
const take = (parent: string | null, title: string) => box.writeCheckpoint(parent, title);

/** As the catalogue lists one that the user has said nothing of. */
const marked = (facts: CheckpointFacts) => ({ ...facts, mode: undefined, pinned: false, note: '' });

function patch(file: string, offset: number, bytes: Buffer): void {
  const opened = openSync(file, 'r+');
  writeSync(opened, bytes, 0, bytes.length, offset);
  closeSync(opened);
}

describe('a bundle', () => {
  test('has a configuration that a person can read, and is refused when it is wrong', async () => {
    expect(JSON.parse(readFileSync(join(path, 'vm.json'), 'utf8'))).toEqual({ version: 1, config });
    writeFileSync(join(path, 'vm.json'), JSON.stringify({ version: 1, config: { ...config, memoryMiB: 1 } }));
    await expect(open()).rejects.toThrow(
      /vm\.json is not a valid VM configuration: config, memory \(“memoryMiB” in the file\): a VM needs/,
    );
    await expect(Bundle.open(join(folder, 'none.cairn'), readCheckpointInfo)).rejects.toThrow('there is no VM none');
  });

  test('stands where the machine is already, though that cannot be written down before the next change', async () => {
    const [one, two] = [await take(null, 'one'), await take(null, 'two')];
    let bundle = await open();
    bundle.stand(two.id, undefined);
    mkdirSync(join(path, 'state.json.tmp', 'x'), { recursive: true });
    bundle.standAlready(one.id, one.id, () => bundle.catalog.record('reverted', one.id, {}));
    expect(bundle.tellUnwritten()).toMatch(/is done, but could not be written down yet.*state\.json/);
    expect(bundle.tellUnwritten()).toBeUndefined();
    const events = () => bundle.catalog.history(9).map(({ event }) => event);
    expect([bundle.current, bundle.resume, bundle.catalog.getMeta('current'), events()]).toEqual([one.id, one.id, one.id, ['reverted']]);
    cpSync(path, `${path}.killed`, { recursive: true }); // as the files would be found now
    rmSync(join(path, 'state.json.tmp'), { recursive: true });
    bundle.setPoweredOn(5);
    bundle.setPoweredOn(6);
    expect(events()).toEqual(['reverted']);
    bundle.close();
    rmSync(join(`${path}.killed`, 'state.json.tmp'), { recursive: true });
    const killed = (await Bundle.open(`${path}.killed`, readCheckpointInfo))!;
    expect([killed.current, killed.resume, killed.catalog.history(9)]).toEqual([two.id, undefined, []]);
    killed.close();
    bundle = await open();
    expect([bundle.current, bundle.resume]).toEqual([one.id, one.id]);
    bundle.close();
  });

  test('has one owner at a time', async () => {
    const bundle = await open();
    await expect(Bundle.open(path, readCheckpointInfo, 100)).rejects.toThrow(
      `box is open in another Cairn (process ${process.pid}); close it there`,
    );
    bundle.close();
    const again = await open();
    expect(existsSync(join(path, 'owner.json'))).toBe(true);
    again.close();
    expect(existsSync(join(path, 'owner.json'))).toBe(false);
  });

  test('keeps its tree, and what a killed process left half-written goes at the next opening', async () => {
    let bundle = await open();
    const one = await take(null, 'one');
    bundle.add(one);
    bundle.mark(one.id, { title: 'first' });
    bundle.close();
    writeFileSync(join(path, 'checkpoints', 'abcdefgh.ckpt.part'), 'half');
    writeFileSync(join(path, 'checkpoints', 'notes.txt'), 'the user put this here');
    mkdirSync(join(path, 'checkpoints', 'abcdefgh.ckpt'));
    bundle = await open();
    expect(readdirSync(join(path, 'checkpoints')).toSorted()).toEqual([`${one.id}.ckpt`, 'abcdefgh.ckpt', 'notes.txt']);
    expect(bundle.catalog.list()).toEqual([{ ...marked(one), title: 'first' }]);
    expect(bundle.current).toBe(one.id);
    bundle.close();
  });

  test('learns of a published file that the catalogue never heard of, and forgets one that has gone', async () => {
    const one = await take(null, 'one');
    const two = await take(one.id, 'two');
    let bundle = await open();
    expect(bundle.catalog.list()).toEqual([marked(one), marked(two)]);
    bundle.stand(one.id, one.id);
    rmSync(bundle.checkpointPath(one.id));
    bundle.close();
    bundle = await open();
    expect(bundle.catalog.list()).toEqual([{ ...marked(two), parent: null }]);
    expect(bundle.current).toBeUndefined();
    expect(bundle.resume).toBeUndefined();
    expect(bundle.notices).toEqual([expect.stringContaining('“one” is gone')]);
    bundle.close();
  });

  test('rebuilds a damaged catalogue from the files, and leaves a damaged checkpoint out without losing it', async () => {
    const one = await take(null, 'one');
    (await open()).close();
    writeFileSync(join(path, 'catalog.db'), 'this is no database, whatever it was before'.repeat(100));
    writeFileSync(join(path, 'checkpoints', 'damaged0.ckpt'), 'no checkpoint either');
    const bundle = await open();
    expect(bundle.catalog.list()).toEqual([marked(one)]);
    expect(bundle.notices).toHaveLength(2);
    expect(existsSync(join(path, 'checkpoints', 'damaged0.ckpt'))).toBe(true);
    bundle.close();
  });

  test.each([
    ['noise behind its first page', (file: string) => patch(file, 4096, Buffer.alloc(8192, 0xa5))],
    ['a row that no catalogue has', (file: string) => patch(file, 100, Buffer.from([0xa5, 0xa5, 0xa5, 0xa5]))],
    ['an end too soon', (file: string) => truncateSync(file, 5000)],
  ])('rebuilds a catalogue with %s', async (_, damage) => {
    const one = await take(null, 'one');
    (await open()).close();
    damage(join(path, 'catalog.db'));
    const bundle = await open();
    expect(bundle.catalog.list()).toEqual([marked(one)]);
    expect(bundle.notices).toEqual([expect.stringContaining('rebuilt from the checkpoint files')]);
    bundle.close();
  });

  test('goes whole', async () => {
    const bundle = await open();
    bundle.delete();
    expect(readdirSync(folder)).toEqual([]);
  });
});
