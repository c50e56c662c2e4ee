/** Checkpoints of a VM that is off, in overwrite mode (METHOD.md, fig. 4C). */
import { mkdirSync, readdirSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { VmBox } from '#test/support/vm-box.ts';
import { smallConfig } from '#test/support/vm-config.ts';
import { ConsoleHub } from './console-hub.ts';
import { Vm } from './vm.ts';
import { WorldManager } from './world-manager.ts';

let box: VmBox;
let vm: Vm;
let notices: string[];
beforeEach(async () => {
  box = new VmBox({ ...smallConfig, overwrite: true });
  notices = [];
  vm = await open();
});
afterEach(async () => {
  await vm.close();
  box.dispose();
});

async function open(): Promise<Vm> {
  const nothing = () => {};
  return new Vm(await box.open(), new WorldManager(), new ConsoleHub(), {
    ...{ changed: nothing, checkpointsChanged: nothing, progress: nothing, diskProgress: nothing, ended: nothing },
    resetting: async () => {},
    notice: text => void notices.push(text),
  });
}
const titles = () => vm.checkpoints().map(({ title }) => title);
const files = () => readdirSync(join(box.path, 'checkpoints')).toSorted();

/** Storage that does not let go of a checkpoint's file; answers what ends that. */
function refuseRemoval(id: string): () => void {
  const path = join(box.path, 'checkpoints', `${id}.ckpt`);
  renameSync(path, join(box.path, 'kept'));
  mkdirSync(path);
  return () => {
    rmdirSync(path);
    renameSync(join(box.path, 'kept'), path);
  };
}

test('a checkpoint takes the place of the one before it, but for what the user keeps or what has other children', async () => {
  const one = await vm.take('one');
  vm.mark(one.id, { pinned: true });
  const two = await vm.take('two');
  await vm.take('three');
  expect(titles()).toEqual(['one', 'three']);
  await vm.revert(one.id);
  await vm.take('four');
  vm.mark(one.id, { pinned: false });
  await vm.revert(one.id);
  await vm.take('five');
  expect([titles(), notices]).toEqual([['one', 'three', 'four', 'five'], []]);
  expect(files()).not.toContain(`${two.id}.ckpt`);
});

test('one is taken though the one before it cannot be removed, which goes with the next one, also when the VM has been closed meanwhile', async () => {
  const allow = refuseRemoval((await vm.take('one')).id);
  expect(await vm.take('two')).toMatchObject({ title: 'two' });
  expect(titles()).toEqual(['one', 'two']);
  expect(notices).toEqual([expect.stringContaining('The checkpoint “two” of box was taken, but the one before it could not be removed')]);
  allow();
  await vm.close();
  vm = await open();
  const three = await vm.take('three');
  expect([titles(), files(), vm.bundle.replaced]).toEqual([['three'], [`${three.id}.ckpt`], []]);
  expect(notices).toHaveLength(1);
});

test('what could not be removed stays if the user keeps it meanwhile', async () => {
  const one = await vm.take('one');
  const allow = refuseRemoval(one.id);
  await vm.take('two');
  allow();
  vm.mark(one.id, { pinned: true });
  await vm.take('three');
  vm.mark(one.id, { pinned: false });
  await vm.take('four');
  expect(titles()).toEqual(['one', 'four']);
});
