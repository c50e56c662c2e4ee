/** Deleting checkpoints of a VM with a disk, off: the real disk worker makes, merges and removes the layers. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Pace } from '#engine/checkpoint/pace.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { takeCheckpoint } from '#engine/checkpoint/take.ts';
import { NOT_RAM } from '#engine/memory/mmm-block.ts';
import { SyncWatch } from '#test/support/sync-watch.ts';
import { hostClock } from '#worker/host-clock.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { Catalog } from './catalog.ts';
import { checkBundle } from './check.ts';
import { HostService } from './host-service.ts';
import { vmConfig, type HostClient } from './ipc/contract.ts';

let home: string;
let service: HostService;
let client: HostClient;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'cairn-eliminate-'));
  vi.stubEnv('CAIRN_LOCKS', join(home, 'locks'));
  writeFileSync(join(home, 'base.img'), new Uint8Array(1 << 20).fill(7));
  const header = new Uint8Array(0x210);
  header.set(new TextEncoder().encode('HdrS'), 0x202);
  writeFileSync(join(home, 'kernel'), header);
  service = new HostService({ libraryPath: join(home, 'library'), version: '0' });
  client = service.connect();
  const disk = {
    path: join(home, 'base.img'),
    format: 'raw',
    interface: 'virtio',
    media: 'disk',
    readonly: false,
    cache: 'writeback',
    writeBase: false,
  };
  const config = vmConfig.parse({
    memoryMiB: 16,
    kernel: join(home, 'kernel'),
    append: '',
    debugExit: false,
    noReboot: false,
    disks: [disk],
  });
  await client.request('vm.create', { name: 'a', config });
});
afterEach(async () => {
  await service.close();
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

const take = async (title: string) => (await client.request('checkpoint.take', { name: 'a', title })).id;
const bundle = () => join(home, 'library', 'a.cairn');
const layers = () => readdirSync(join(bundle(), 'disks')).filter(name => name.endsWith('.qcow2')).length;
const diskFile = (name: string) => join(bundle(), 'disks', name);
const top = (name: string) => (JSON.parse(readFileSync(diskFile(name), 'utf8')) as { top: string }).top;
const stateOf = (path: string) => JSON.parse(readFileSync(join(path, 'state.json'), 'utf8')) as { current?: string; resume?: string };
const state = () => stateOf(bundle());
function underWay() {
  const catalog = Catalog.tryOpen(join(bundle(), 'catalog.db'))!;
  try {
    return catalog.intents();
  } finally {
    catalog.close();
  }
}
const show = (id: string) => client.request('checkpoint.show', { name: 'a', id });
const remove = (ids: string[], children = false) => client.request('checkpoint.delete', { name: 'a', ids, children, force: false });

test('the layers behind a checkpoint are shown, and those that nobody needs any more go with it', async () => {
  const [one, two, three] = [await take('one'), await take('two'), await take('three')];
  expect(layers()).toBe(4); // and the top
  const [behind] = (await show(two)).disks;
  expect(behind?.layers.map(({ sharedWith }) => sharedWith)).toEqual([[three], [one, three], [one, three]]);
  expect((await show(three)).checkpoint).toMatchObject({ mode: 'chain', disks: [{ disk: 'disk0', sizeBytes: 1 << 20 }] });

  const { freedBytes } = await remove([two]);
  expect(freedBytes).toBeGreaterThan(0);
  expect(layers()).toBe(3);
  expect((await show(three)).disks[0]?.layers).toHaveLength(3);
  expect(await checkBundle(bundle())).toMatchObject({ checkpoints: 2, layers: 3, problems: [] });

  await client.request('checkpoint.revert', { name: 'a', id: one });
  expect((await show(three)).alone.freedBytes).toBeGreaterThan((await show(three)).memory.ownBytes);
  await remove([three]);
  expect(layers()).toBe(2);
  await remove([one]);
  expect(layers()).toBe(1);
  expect(await checkBundle(bundle())).toMatchObject({ problems: [] });
});

test('a revert that ended between the disks and the rest is finished', async () => {
  const one = await take('one');
  const two = await take('two');
  const before = readFileSync(join(bundle(), 'state.json'));
  await client.request('checkpoint.revert', { name: 'a', id: one });
  await service.close();
  writeFileSync(join(bundle(), 'state.json'), before);
  const catalog = Catalog.tryOpen(join(bundle(), 'catalog.db'))!;
  catalog.begin('revert', { id: one, resume: true });
  catalog.begin('revert', { id: two, resume: true }); // and one that had not begun
  catalog.close();
  service = new HostService({ libraryPath: join(home, 'library'), version: '0' });
  client = service.connect();
  await client.request('checkpoint.list', { name: 'a' });
  expect(await client.request('vm.show', { name: 'a' })).toMatchObject({ current: one });
  expect(JSON.parse(readFileSync(join(bundle(), 'state.json'), 'utf8'))).toMatchObject({ current: one, resume: one });
});

test('a revert that ended before the disks went back has not begun, though they stand on that checkpoint', async () => {
  const one = await take('one');
  await service.close();
  const catalog = Catalog.tryOpen(join(bundle(), 'catalog.db'))!;
  catalog.begin('revert', { id: one, resume: true, tops: { disk0: top('disk0.json') } });
  catalog.close();
  service = new HostService({ libraryPath: join(home, 'library'), version: '0' });
  client = service.connect();
  await client.request('checkpoint.list', { name: 'a' });
  expect(underWay()).toEqual([]);
  expect(state()).toMatchObject({ current: one });
  expect(state().resume).toBeUndefined();
});

/** A folder in the place of the file that a descriptor is written to first: storage that refuses. */
const refuseDescriptor = () => mkdirSync(join(`${diskFile('disk0.json')}.new`, 'x'), { recursive: true });
const takeDescriptors = () => rmSync(`${diskFile('disk0.json')}.new`, { recursive: true });

test('a revert that storage leaves undecided is neither done nor forgotten, and ends as the disks say', async () => {
  const one = await take('one');
  const two = await take('two');
  const notices: string[] = [];
  client.on('notice', ({ text }) => void notices.push(text));
  /** Answers the branch that it left. */
  const fail = async () => {
    const [before, known] = [top('disk0.json'), readdirSync(join(bundle(), 'disks'))];
    refuseDescriptor();
    await expect(client.request('checkpoint.revert', { name: 'a', id: one })).rejects.toThrow('disk0.json');
    expect(underWay()).toMatchObject([{ operation: 'revert', details: { id: one, tops: { disk0: before } } }]);
    expect(state()).toMatchObject({ current: two });
    takeDescriptors();
    return readdirSync(join(bundle(), 'disks'))
      .find(name => !known.includes(name))!
      .split('.')[1];
  };
  await fail();
  expect(notices.at(-1)).toContain('is seen when the VM is started next');

  // The descriptor was not replaced: the next session with the disks finds them where they were.
  await client.request('checkpoint.delete', { name: 'a', ids: [await take('three')], children: false, force: false });
  expect([underWay(), state().current]).toEqual([[], two]);

  // It was replaced, and only the answer was an error.
  const branch = await fail();
  const descriptor = JSON.parse(readFileSync(diskFile('disk0.json'), 'utf8')) as object;
  writeFileSync(diskFile('disk0.json'), JSON.stringify({ ...descriptor, top: branch }));
  notices.length = 0;
  await client.request('checkpoint.delete', { name: 'a', ids: [two], children: false, force: true });
  expect([underWay(), state()]).toMatchObject([[], { current: one }]);
  expect(notices).toEqual([expect.stringContaining('its revert to “one” was interrupted, and has been completed')]);
  expect(await checkBundle(bundle())).toMatchObject({ problems: [] });
});

test('a revert of two disks that ended between them is completed when the VM is opened next', async () => {
  const { config } = await client.request('vm.show', { name: 'a' });
  writeFileSync(join(home, 'other.img'), new Uint8Array(1 << 20));
  const [disk] = config.disks;
  await client.request('vm.configure', { name: 'a', config: { ...config, disks: [disk!, { ...disk!, path: join(home, 'other.img') }] } });
  const one = await take('one');
  await take('two');
  const names = ['disk0.json', 'disk1.json'] as const;
  const [said, before] = [readFileSync(join(bundle(), 'state.json')), readFileSync(diskFile('disk1.json'))];
  await client.request('checkpoint.revert', { name: 'a', id: one });
  await service.close();
  const tops = names.map(top);
  expect(readdirSync(join(bundle(), 'disks'))).not.toContain('revert.json');

  writeFileSync(diskFile('disk1.json'), before);
  writeFileSync(diskFile('revert.json'), JSON.stringify({ version: 1, tops: { disk0: tops[0], disk1: tops[1] } }));
  writeFileSync(join(bundle(), 'state.json'), said);
  const catalog = Catalog.tryOpen(join(bundle(), 'catalog.db'))!;
  catalog.begin('revert', { id: one, resume: true });
  catalog.close();
  const pending = { kind: 'leftover', about: 'disks/revert.json', text: expect.stringContaining('opening the VM completes it') };
  expect((await checkBundle(bundle())).problems).toContainEqual(pending);
  service = new HostService({ libraryPath: join(home, 'library'), version: '0' });
  client = service.connect();
  await client.request('checkpoint.list', { name: 'a' });
  expect(names.map(top)).toEqual(tops);
  expect(readdirSync(join(bundle(), 'disks'))).not.toContain('revert.json');
  expect(await client.request('vm.show', { name: 'a' })).toMatchObject({ current: one });
  expect(await checkBundle(bundle())).toMatchObject({ problems: [] });
});

test('a catalogue and a state.json that are lost: the machine stands on what its disks stand on', async () => {
  const one = await take('one');
  await take('two');
  await client.request('checkpoint.revert', { name: 'a', id: one });
  await service.close();
  for (const file of ['catalog.db', 'state.json']) rmSync(join(bundle(), file));
  service = new HostService({ libraryPath: join(home, 'library'), version: '0' });
  client = service.connect();
  expect(await client.request('checkpoint.list', { name: 'a' })).toHaveLength(2);
  expect(await client.request('vm.show', { name: 'a' })).toMatchObject({ current: one });
});

test('a checkpoint that holds other disks than the VM has is refused before anything changes', async () => {
  const one = await take('one');
  await take('two');
  const { config } = await client.request('vm.show', { name: 'a' });
  await client.request('vm.configure', { name: 'a', config: { ...config, disks: [] } });
  await expect(client.request('checkpoint.revert', { name: 'a', id: one })).rejects.toThrow('holds disk0, and the VM has no disk now');
  const [disk] = config.disks;
  writeFileSync(join(home, 'other.img'), new Uint8Array(1 << 20));
  await client.request('vm.configure', { name: 'a', config: { ...config, disks: [disk!, { ...disk!, path: join(home, 'other.img') }] } });
  const before = readFileSync(join(bundle(), 'disks', 'disk0.json'));
  await expect(client.request('checkpoint.revert', { name: 'a', id: one })).rejects.toThrow('the VM has disk0, disk1 now');
  expect(readFileSync(join(bundle(), 'disks', 'disk0.json'))).toEqual(before);
});

/** A checkpoint of a machine that runs, with the disks of `id`: one that a process published which was killed before it wrote that down. */
async function publishRunning(id: string): Promise<string> {
  const { disks } = (await show(id)).checkpoint;
  const request = { id: 'running1', parent: id, vmName: 'a', title: 'runs', takenAt: '', ramBytes: 4096, running: true, poweredOnMs: 5 };
  const none = { ppn: () => NOT_RAM, writtenEpoch: () => 0, page: () => new Uint8Array(4096), freeOriginal: () => false };
  await takeCheckpoint(
    request,
    { slot: 0, epoch: 0, devices: [], pauseMs: 0 },
    { epoch: 0, limit: 1, ...none },
    {
      ...{ store: new CheckpointStore(nodeFiles, join(bundle(), 'checkpoints')), codec: nodeCodec, clock: hostClock },
      ...{ pace: new Pace(hostClock), base: undefined, startedMs: 0, disks: async () => disks },
    },
  );
  return request.id;
}

test('a clone is there when it has its checkpoint and its disks and stands on them, and not before: nobody starts it on the first VM’s images, or from its kernel', async () => {
  const one = await publishRunning(await take('one'));
  const clone = join(home, 'library', 'b.cairn');
  const seen = () => [...readdirSync(clone, { recursive: true }).map(String), stateOf(clone)];
  const first = new Promise<unknown[]>(resolve => {
    const look = (): unknown => (existsSync(clone) ? resolve(seen()) : setImmediate(look));
    look();
  });
  const make = () => client.request('vm.clone', { name: 'a', checkpoint: one, as: 'b', full: true });
  const outcomes = await Promise.allSettled([make(), make()]);
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  const stands = { current: one, resume: one };
  expect(await first).toEqual(
    expect.arrayContaining(['vm.json', join('checkpoints', `${one}.ckpt`), join('disks', 'disk0.json'), expect.objectContaining(stands)]),
  );
  expect(readdirSync(join(home, 'library')).toSorted()).toEqual(['a.cairn', 'b.cairn']);
  expect(await client.request('vm.show', { name: 'b' })).toMatchObject({ state: 'off', current: one, checkpoints: 1 });
  expect(stateOf(clone)).toMatchObject(stands);
  expect(await checkBundle(clone)).toMatchObject({ problems: [] });
});

test('a clone of a checkpoint that holds other disks than the VM has is refused before anything is made', async () => {
  const one = await take('one');
  const { config } = await client.request('vm.show', { name: 'a' });
  await client.request('vm.configure', { name: 'a', config: { ...config, disks: [] } });
  const make = client.request('vm.clone', { name: 'a', checkpoint: one, as: 'b', full: false });
  await expect(make).rejects.toThrow('holds disk0, and the VM has no disk now');
  expect(readdirSync(join(home, 'library'))).toEqual(['a.cairn']);
});

test.each([{ full: true }, { full: false }])(
  'a clone (full: $full) has its name only when all of it would survive a power failure',
  async ({ full }) => {
    const one = await take('one');
    const [library, clone] = [join(home, 'library'), join(home, 'library', 'b.cairn')];
    let lost: string[] | undefined;
    using watch = new SyncWatch((from, to) => {
      if (to === clone) lost = watch.lost(from);
    });
    await client.request('vm.clone', { name: 'a', checkpoint: one, as: 'b', full });
    expect(lost).toEqual([]);
    expect(watch.hasName(library, 'b.cairn')).toBe(true);
  },
);

test('what a process left that was killed while it made a VM is in nobody’s way, and goes when one of that name is made', async () => {
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  const left = join(home, 'library', `b.cairn.new-${dead}`);
  mkdirSync(join(home, 'store', 'b.checkpoints'), { recursive: true });
  mkdirSync(left);
  symlinkSync(join(home, 'store', 'b.checkpoints'), join(left, 'checkpoints'));
  const { config } = await client.request('vm.show', { name: 'a' });
  await client.request('vm.create', { name: 'b', config: { ...config, checkpointStore: join(home, 'store') } });
  expect([existsSync(left), readdirSync(join(home, 'store'))]).toEqual([false, ['b.checkpoints']]);
});

test('a VM that a linked clone lies on is not deleted', async () => {
  const one = await take('one');
  await client.request('vm.clone', { name: 'a', checkpoint: one, as: 'b', full: false });
  await expect(client.request('vm.delete', { name: 'a' })).rejects.toThrow('the disks of b lie on those of a: delete it first');
  expect(await checkBundle(join(home, 'library', 'b.cairn'))).toMatchObject({ problems: [] });
  await client.request('vm.delete', { name: 'b' });
  await client.request('vm.delete', { name: 'a' });
});

test('a VM whose folder was renamed, and that a linked clone lies on, is not deleted', async () => {
  const one = await take('one');
  await client.request('vm.clone', { name: 'a', checkpoint: one, as: 'b', full: false });
  renameSync(join(home, 'library', 'a.cairn'), join(home, 'library', 'renamed.cairn'));
  await expect(client.request('vm.delete', { name: 'renamed' })).rejects.toThrow('the disks of b lie on those of renamed: delete it first');
  renameSync(join(home, 'library', 'renamed.cairn'), join(home, 'library', 'a.cairn'));
  expect(await checkBundle(join(home, 'library', 'b.cairn'))).toMatchObject({ problems: [] });
});

test('a copy of a VM that a linked clone lies on can be deleted, and is not mistaken for it', async () => {
  const one = await take('one');
  await client.request('vm.clone', { name: 'a', checkpoint: one, as: 'b', full: false });
  cpSync(join(home, 'library', 'a.cairn'), join(home, 'library', 'copy.cairn'), { recursive: true });
  await client.request('vm.delete', { name: 'copy' });
  expect(await checkBundle(join(home, 'library', 'b.cairn'))).toMatchObject({ problems: [] });
});

test('a linked clone that was moved to another disk guards what it lies on through its link', async () => {
  const one = await take('one');
  await client.request('vm.clone', { name: 'a', checkpoint: one, as: 'b', full: false });
  const place = join(home, 'b-elsewhere');
  renameSync(join(home, 'library', 'b.cairn'), place);
  symlinkSync(place, join(home, 'library', 'b.cairn'));
  await expect(client.request('vm.delete', { name: 'a' })).rejects.toThrow('the disks of b lie on those of a: delete it first');
  const told: unknown[] = [];
  client.on('notice', notice => told.push(notice));
  await client.request('vm.delete', { name: 'b' });
  expect(told).toContainEqual({ level: 'warning', name: 'b', text: `b is a link to ${place}: that folder is deleted with it.` });
  expect(existsSync(place)).toBe(false);
  await client.request('vm.delete', { name: 'a' });
});

test('a VM that is off does not go back to a checkpoint that is damaged, and stands where it stood', async () => {
  const [one, two] = [await take('one'), await take('two')];
  const file = join(bundle(), 'checkpoints', `${one}.ckpt`);
  const bytes = readFileSync(file);
  for (const at of [10, bytes.length >> 1, bytes.length - 3]) {
    writeFileSync(
      file,
      Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 0x55 : byte)),
    );
    await expect(client.request('checkpoint.revert', { name: 'a', id: one }), `byte ${at}`).rejects.toThrow(
      'a has not gone back, for the checkpoint “one” cannot be restored',
    );
    expect(state()).toMatchObject({ current: two });
  }
  writeFileSync(file, bytes);
  await client.request('checkpoint.revert', { name: 'a', id: one });
  expect(state()).toMatchObject({ current: one });
});

test('a checkpoint of a VM that goes on from another one at its next start would hold nothing of its memory, and is not taken', async () => {
  const [one] = [await take('one')];
  const saved = JSON.parse(readFileSync(join(bundle(), 'state.json'), 'utf8')) as object;
  writeFileSync(join(bundle(), 'state.json'), JSON.stringify({ ...saved, resume: one })); // as after a revert to a running state
  await expect(take('two')).rejects.toThrow('a is off and goes on from “one” when it is started');
  expect(await client.request('checkpoint.list', { name: 'a' })).toHaveLength(1);
});

test('a linked clone goes on when the folder of the VM that it lies on is renamed, or moved away with a link in its place, and guards it there', async () => {
  const one = await take('one');
  await client.request('vm.clone', { name: 'a', checkpoint: one, as: 'b', full: false });
  const library = join(home, 'library');
  const told: string[] = [];
  client.on('notice', ({ text }) => told.push(text));
  const works = async () => {
    const { id } = await client.request('checkpoint.take', { name: 'b', title: 'of b' });
    await client.request('checkpoint.revert', { name: 'b', id });
    const { problems } = await checkBundle(join(library, 'b.cairn'));
    expect(problems).toEqual([]);
  };
  renameSync(bundle(), join(library, 'c.cairn'));
  await works();
  expect(told).toEqual(['b: the VM that disk0 lies on is c now; that has been written down.']);
  await expect(client.request('vm.delete', { name: 'c' })).rejects.toThrow('the disks of b lie on those of c');
  await client.request('checkpoint.delete', { name: 'c', ids: [one], children: false, force: true });
  await works();
  renameSync(join(library, 'c.cairn'), join(home, 'elsewhere'));
  await client.request('checkpoint.list', { name: 'b' });
  expect(told.at(-1)).toMatch(
    /^b: disk0 lies on the state [0-9a-f]{32} of a disk in .*, and no VM of this library has it: bring that VM’s folder back\.$/,
  );
  symlinkSync(join(home, 'elsewhere'), join(library, 'd.cairn'));
  await works();
  await expect(client.request('vm.delete', { name: 'd' })).rejects.toThrow('the disks of b lie on those of d');
});
