import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { VmBox } from '#test/support/vm-box.ts';
import type { Bundle } from './bundle.ts';
import { chooseDoomed, Eliminator, usedBytes } from './elimination.ts';
import { finishIntents } from './interrupted.ts';
import type { Checkpoint } from './ipc/contract.ts';

const ALONE = { children: false, force: false, startsFrom: undefined };
let box: VmBox;
let bundle: Bundle;
beforeEach(async () => {
  box = new VmBox();
  bundle = await box.open();
});
afterEach(() => {
  bundle.close();
  box.dispose();
});

const take = (title: string) => box.take(bundle, title);
const tree = () => bundle.catalog.parents().map(({ id, parent }) => [id, parent]);

describe('eliminating', () => {
  test('takes what descends from them only when asked to, oldest first', () => {
    const of = (id: string, parent: string | null) => ({ id, parent }) as Checkpoint;
    const all = [of('a', null), of('b', 'a'), of('c', 'b'), of('d', 'a'), of('e', 'd')];
    expect(chooseDoomed(all, ['d', 'b'], false)).toEqual(['b', 'd']);
    expect(chooseDoomed(all, ['b'], true)).toEqual(['b', 'c']);
    expect(chooseDoomed(all, ['a'], true)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(chooseDoomed([of('a', 'b'), of('b', 'a')], ['a'], true)).toEqual(['a', 'b']); // a forged circle
  });

  test('that cannot be written down has not begun, now or later', async () => {
    const one = await take('one');
    mkdirSync(join(box.path, 'state.json.tmp', 'x'), { recursive: true });
    await expect(new Eliminator(bundle).eliminate([one])).rejects.toThrow('state.json cannot be written');
    rmSync(join(box.path, 'state.json.tmp'), { recursive: true });
    bundle.close();
    bundle = await box.open();
    finishIntents(bundle);
    expect([bundle.catalog.list().map(({ id }) => id), bundle.notices]).toEqual([[one], []]);
  });

  test('gives children to their grandparent and the machine its nearest ancestor, and says what is free', async () => {
    const [one, two, three] = [await take('one'), await take('two'), await take('three')];
    const eliminator = new Eliminator(bundle);
    const before = eliminator.show(two);
    expect(before).toMatchObject({ children: [three], alone: { ids: [two], keptBytes: 0 }, withChildren: { ids: [two, three] } });
    expect(before.withChildren.freedBytes).toBe(before.memory.ownBytes + bundle.checkpoint(three).bytesWritten);
    const used = usedBytes(bundle);
    expect(eliminator.choose([two], ALONE)).toEqual([two]);
    await eliminator.eliminate([two]);
    expect(used - usedBytes(bundle)).toBeGreaterThanOrEqual(before.alone.freedBytes);
    expect(existsSync(join(bundle.checkpointsPath, `${two}.ckpt`))).toBe(false);
    expect(tree()).toEqual([
      [one, null],
      [three, one],
    ]);
    expect(bundle.current).toBe(three);
    await eliminator.eliminate([one, three]);
    expect([tree(), bundle.current]).toEqual([[], undefined]);
  });

  test('refuses what is kept and what the next start needs, unless forced, and then changes nothing', async () => {
    const [one, two] = [await take('one'), await take('two')];
    bundle.mark(one, { pinned: true });
    const eliminator = new Eliminator(bundle);
    expect(() => eliminator.choose([one, two], ALONE)).toThrow('“one”');
    expect(() => eliminator.choose([two], { ...ALONE, startsFrom: two })).toThrow(`box goes on from the checkpoint ${two}`);
    expect(() => eliminator.choose([two, 'nothere0'], ALONE)).toThrow('box has no checkpoint nothere0');
    expect(tree()).toHaveLength(2);
    await eliminator.eliminate(eliminator.choose([one, two], { ...ALONE, force: true, startsFrom: two }));
    expect(tree()).toEqual([]);
    expect(bundle.catalog.history(2).map(({ event }) => event)).toEqual(['eliminated', 'eliminated']);
  });

  test('a checkpoint that was published when the process ended is where the machine stands; one that was not is none', async () => {
    const one = await take('one');
    bundle.catalog.begin('take', { id: 'neverdone', title: 'never' });
    const published = await box.writeCheckpoint(one, 'two');
    bundle.catalog.begin('take', { id: published.id, title: 'two' });
    bundle.close();
    bundle = await box.open();
    finishIntents(bundle);
    expect(bundle.current).toBe(published.id);
    expect([bundle.catalog.intents(), bundle.notices]).toEqual([[], []]);
    expect(tree()).toEqual([
      [one, null],
      [published.id, one],
    ]);
  });

  test('that was under way when the process ended is as far as the files say, and the rest stays', async () => {
    const [one, two, three] = [await take('one'), await take('two'), await take('three')];
    bundle.catalog.begin('eliminate', { ids: [two, three] });
    bundle.prepareToForget([two, three]);
    rmSync(bundle.checkpointPath(two)); // and here it was killed
    bundle.close();
    bundle = await box.open();
    finishIntents(bundle);
    expect(tree()).toEqual([
      [one, null],
      [three, one],
    ]);
    expect(bundle.current).toBe(three);
    expect(bundle.catalog.intents()).toEqual([]);
    expect(bundle.notices).toEqual([expect.stringContaining('“three” stayed')]);
    expect(bundle.catalog.history(1)).toMatchObject([{ event: 'interrupted', details: { operation: 'eliminate' } }]);
  });
});
