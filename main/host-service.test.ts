import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { StorageError } from '#engine/errors/errors.ts';
import type { Step } from '#worker/testing/fake-machine.ts';
import { Bundle } from './bundle.ts';
import { HostService } from './host-service.ts';
import { vmDisk, type HostClient, type VmDisk } from './ipc/contract.ts';
import { decodeFrame, encodeFrame, FRAME_SERIAL_IN, FRAME_SERIAL_OUT, FRAME_TEXT_SCREEN } from './ipc/frames.ts';
import { sourceFiles, WorldManager } from './world-manager.ts';

/** The smallest module there is: the scripted machine has no use for a core. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

let folder: string;
let service: HostService;
let client: HostClient;

function openService(): HostService {
  const core = join(folder, 'empty.wasm');
  writeFileSync(core, EMPTY_MODULE);
  const worlds = new WorldManager({
    ...sourceFiles,
    core: new URL(`file://${core}`),
    vcpuEntry: new URL('./testing/fake-vcpu.ts', import.meta.url),
  });
  return new HostService({ libraryPath: join(folder, 'library'), version: '0', worlds });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-host-'));
  mkdirSync(join(folder, 'library'));
  service = openService();
  client = service.connect();
});
afterEach(async () => {
  await service.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A VM whose machine does `steps`. */
async function vm(name: string, steps: Step[], disks: VmDisk[] = []): Promise<void> {
  const kernel = join(folder, 'kernel');
  const header = new Uint8Array(0x210);
  header.set(new TextEncoder().encode('HdrS'), 0x202);
  writeFileSync(kernel, header);
  await client.request('vm.create', {
    name,
    config: {
      memoryMiB: 4,
      kernel,
      append: JSON.stringify(steps),
      debugExit: false,
      noReboot: false,
      disks,
      checkpointMode: 'chain',
      overwrite: false,
    },
  });
}

/** What the first serial port of a VM says to one more client. */
async function serialOf(from: HostClient, name: string) {
  let text = '';
  let look = () => {};
  const { handle } = await from.request('console.attach', { name });
  from.onFrame(bytes => {
    const frame = decodeFrame(bytes)!;
    if (frame.handle !== handle || frame.kind !== FRAME_SERIAL_OUT) return;
    text += new TextDecoder().decode(frame.payload);
    look();
  });
  return {
    type: (typed: string) => from.sendFrame(encodeFrame(FRAME_SERIAL_IN, 0, handle, new TextEncoder().encode(typed))),
    saw: (wanted: string) =>
      new Promise<void>(resolve => {
        look = () => text.includes(wanted) && resolve();
        look();
      }),
    text: () => text,
  };
}

describe('a host service', () => {
  test('a VM that is off gets another name, and its checkpoints are as they were', async () => {
    await vm('a', []);
    const { id } = await client.request('checkpoint.take', { name: 'a', title: 'one' });
    await vm('taken', []);
    const removed: string[] = [];
    client.on('vm.removed', ({ name }) => removed.push(name));
    await expect(client.request('vm.rename', { name: 'a', as: 'taken' })).rejects.toThrow('there is a VM taken already');
    expect(await client.request('vm.rename', { name: 'a', as: 'b' })).toMatchObject({ name: 'b', current: id });
    expect(removed).toEqual(['a']);
    expect((await client.request('vm.list', {})).map(({ name }) => name)).toEqual(['b', 'taken']);
    expect(await client.request('checkpoint.list', { name: 'b' })).toMatchObject([{ id, title: 'one' }]);
    await vm('a', []);
  });

  test('runs a VM to its end and tells why it ended', async () => {
    await vm('short', [{ out: 'bye' }, { end: { kind: 'power-off' } }]);
    const states: string[] = [];
    client.on('vm.changed', ({ state }) => states.push(state));
    const ended = service.whenEnded('short');
    const serial = await serialOf(client, 'short');
    await service.start('short');
    expect(await ended).toEqual({ kind: 'power-off' });
    await serial.saw('bye');
    expect(states).toEqual(expect.arrayContaining(['starting', 'running', 'off']));
    expect(await client.request('vm.show', { name: 'short' })).toMatchObject({ state: 'off' });
  });

  test('passes input to the guest and the echo back, through several megabytes, byte for byte', async () => {
    await vm('echo', [{ echo: true }]);
    const serial = await serialOf(client, 'echo');
    await client.request('vm.start', { name: 'echo' });
    const typed = Array.from({ length: 40_000 }, (_, i) => `line ${i} of much input\n`).join('');
    for (let at = 0; at < typed.length; at += 5000) await serial.type(typed.slice(at, at + 5000));
    await serial.saw('line 39999 of much input\n');
    expect(serial.text()).toBe(typed);
  });

  test('pauses, resumes, stops and deletes', async () => {
    await vm('a', [{ echo: true }]);
    await client.request('vm.start', { name: 'a' });
    expect(await client.request('vm.pause', { name: 'a' })).toMatchObject({ state: 'paused' });
    const serial = await serialOf(client, 'a');
    await serial.type('late');
    expect(await client.request('vm.resume', { name: 'a' })).toMatchObject({ state: 'running' });
    await serial.saw('late');
    await expect(client.request('vm.delete', { name: 'a' })).rejects.toThrow('a is running: stop it before it is deleted.');
    expect(await client.request('vm.stop', { name: 'a', how: 'plug' })).toMatchObject({ state: 'off' });
    await client.request('vm.delete', { name: 'a' });
    expect(await client.request('vm.list', {})).toEqual([]);
  });

  test('that ends while a VM starts ends that VM, and gives its bundle back when it is off', async () => {
    await vm('early', [{ echo: true }]);
    const notices: string[] = [];
    client.on('notice', ({ text }) => notices.push(text));
    const starting = new Promise<void>(resolve => client.on('vm.changed', ({ state }) => state === 'starting' && resolve()));
    const started = client.request('vm.start', { name: 'early' });
    await starting;
    await service.close();
    await started.catch(() => {});
    expect(notices).toEqual([]);
    expect(existsSync(join(folder, 'library', 'early.cairn', 'owner.json'))).toBe(false);
    const state = JSON.parse(readFileSync(join(folder, 'library', 'early.cairn', 'state.json'), 'utf8')) as object;
    expect(state).toMatchObject({ poweredOnMs: expect.any(Number) });
  });

  test('a world that crashes ends alone, with a reason', async () => {
    await vm('bad', [{ nops: 10 }, { crash: 'the core trapped' }]);
    await vm('good', [{ echo: true }]);
    const notice = new Promise(resolve => client.on('notice', resolve));
    await client.request('vm.start', { name: 'good' });
    await client.request('vm.start', { name: 'bad' }).catch(() => {});
    expect(await notice).toMatchObject({ level: 'error', name: 'bad' });
    expect(await client.request('vm.show', { name: 'bad' })).toMatchObject({
      state: 'crashed',
      reason: expect.stringContaining('the core trapped'),
    });
    const serial = await serialOf(client, 'good');
    await serial.type('alive');
    await serial.saw('alive');
    await client.request('vm.start', { name: 'bad' }).catch(() => {}); // it can be started again
    await service.close();
    service = openService(); // what nobody has seen yet is still known
    const crashed = (await service.connect().request('vm.list', {})).find(({ name }) => name === 'bad');
    expect(crashed).toMatchObject({
      state: 'crashed',
      reason: expect.stringMatching(/the core trapped\. It has no checkpoint to go back to\.$/),
    });
    expect(crashed!.killed).toBeUndefined();
    expect(await service.connect().request('vm.show', { name: 'good' })).toMatchObject({ state: 'off' });
  });

  test('a guest that moves its tray all the time keeps nobody else from his turn', async () => {
    const path = join(folder, 'disc.iso');
    writeFileSync(path, new Uint8Array(4096));
    const moves = Array.from({ length: 20 }, (): Step[] => [{ tray: 'open' }, { halt: 1 }, { tray: 'shut' }, { halt: 1 }]).flat();
    const drive = { path, format: 'raw', interface: 'ide', media: 'cdrom', readonly: true, cache: 'writeback' };
    await vm('jukebox', [{ halt: undefined }, ...moves, { end: { kind: 'power-off' } }], [vmDisk.parse(drive)]);
    let turn = 0;
    const turns = setInterval(() => turn++, 1);
    const moved: number[] = [];
    let isOpen = false;
    client.on('vm.changed', ({ drives }) => {
      if (drives === undefined || drives[0]!.isOpen === isOpen) return;
      ({ isOpen } = drives[0]!);
      moved.push(turn);
    });
    const ended = service.whenEnded('jukebox');
    const serial = await serialOf(client, 'jukebox');
    await service.start('jukebox');
    await serial.type('go');
    await ended;
    clearInterval(turns);
    expect(moved.length).toBeGreaterThan(0);
    expect(new Set(moved).size).toBeGreaterThanOrEqual(moved.length - 1); // the last is looked at when the VM ends
    expect(Bundle.readConfig(join(folder, 'library', 'jukebox.cairn')).disks).toMatchObject([{ path }]);
  });

  test('a client that attaches late sees the screen and what the serial port said', async () => {
    await vm('old', [{ out: 'before' }, { draw: 'X' }, { echo: true }]);
    await client.request('vm.start', { name: 'old' });
    const early = await serialOf(client, 'old');
    await early.saw('before');
    const late = service.connect();
    const screen = new Promise<Uint8Array>(resolve => {
      late.onFrame(bytes => {
        const frame = decodeFrame(bytes)!;
        if (frame.kind === FRAME_TEXT_SCREEN && frame.payload.length > 4) resolve(frame.payload);
      });
    });
    const serial = await serialOf(late, 'old');
    await serial.saw('before');
    expect((await screen)[5]).toBe('X'.charCodeAt(0));
  });

  test('a serial reader that is slow holds the guest back and loses nothing', async () => {
    const lines = Array.from({ length: 300 }, (_, i) => ({ out: `${String(i).padStart(6, '0')}${'.'.repeat(20_000)}` }));
    await vm('loud', [...lines, { end: { kind: 'power-off' } }]);
    let received = 0;
    let release = () => {};
    const gate = new Promise<void>(resolve => (release = resolve));
    client.onFrame(bytes => {
      const frame = decodeFrame(bytes)!;
      if (frame.kind !== FRAME_SERIAL_OUT) return;
      received += frame.payload.length;
      return gate;
    });
    await client.request('console.attach', { name: 'loud' });
    const ended = service.whenEnded('loud');
    await service.start('loud');
    expect(await client.request('vm.show', { name: 'loud' })).toMatchObject({ state: 'running' }); // 6 MB can't have left yet
    expect(received).toBeLessThan(100_000);
    release();
    expect(await ended).toEqual({ kind: 'power-off' });
    expect(received).toBe(300 * 20_006);
  });

  test('a kernel that is not there is told in one sentence: of a new VM, of a changed one, and when it has gone since', async () => {
    const kernel = '/no/such/kernel';
    const sentence = `the kernel ${kernel} does not exist`;
    await vm('x', [{ end: { kind: 'power-off' } }]);
    const { config } = await client.request('vm.show', { name: 'x' });
    await expect(client.request('vm.create', { name: 'y', config: { ...config, kernel } })).rejects.toThrow(sentence);
    await expect(client.request('vm.configure', { name: 'x', config: { ...config, kernel } })).rejects.toThrow(sentence);
    rmSync(config.kernel!);
    await expect(client.request('vm.start', { name: 'x' })).rejects.toThrow(`the kernel ${config.kernel} does not exist`);
    expect(await client.request('vm.list', {})).toMatchObject([{ name: 'x', state: 'off' }]);
  });

  test.each([['more memory than the host has', { memoryMiB: 3072 }, '']])(
    '%s is told in one sentence and leaves the VM off',
    async (_, change, sentence) => {
      await vm('x', [{ end: { kind: 'power-off' } }]);
      const { config } = await client.request('vm.show', { name: 'x' });
      await client.request('vm.configure', { name: 'x', config: { ...config, ...change } });
      const outcome = await client.request('vm.start', { name: 'x' }).then(
        () => '',
        (error: Error) => error.message,
      );
      expect(outcome).toContain(sentence);
      expect(['off', 'running']).toContain((await client.request('vm.show', { name: 'x' })).state);
    },
  );
});

describe('checkpoints of a VM', () => {
  const take = (title: string) => client.request('checkpoint.take', { name: 'tree', title });
  const ids = async () => (await client.request('checkpoint.list', { name: 'tree' })).map(({ id }) => id);

  test('are deleted while it runs, alone or with their children; kept ones and the one it stands on ask for force', async () => {
    await vm('tree', [{ echo: true }]);
    const [a, b, c] = [await take('a'), await take('b'), await take('c')];
    await client.request('vm.start', { name: 'tree' });
    await client.request('checkpoint.mark', { name: 'tree', id: b.id, pinned: true, note: 'for later' });
    const remove = (ids: string[], more: { children?: boolean; force?: boolean } = {}) =>
      client.request('checkpoint.delete', { name: 'tree', ids, children: false, force: false, ...more });
    await expect(remove([b.id])).rejects.toThrow(`“b” (${b.id}) of tree is kept`);
    await expect(remove([a.id], { children: true })).rejects.toThrow('Nothing was deleted');
    expect(await ids()).toEqual([a.id, b.id, c.id]);
    const done = await remove([b.id], { force: true });
    expect(done).toMatchObject({ ids: [b.id], keptBytes: 0, clones: [] });
    expect(done.freedBytes).toBeGreaterThan(0);
    expect(await client.request('checkpoint.show', { name: 'tree', id: a.id })).toMatchObject({ children: [c.id] });
    expect(await client.request('vm.show', { name: 'tree' })).toMatchObject({ current: c.id });
    await remove([c.id]);
    expect(await client.request('vm.show', { name: 'tree' })).toMatchObject({ current: a.id });
    await expect(remove([c.id])).rejects.toThrow(`tree has no checkpoint ${c.id}`);
    const { history, underWay } = await client.request('checkpoint.history', { name: 'tree', limit: 10 });
    expect(history.map(({ event, checkpoint }) => [event, checkpoint])).toEqual([
      ['eliminated', c.id],
      ['eliminated', b.id],
      ['taken', c.id],
      ['taken', b.id],
      ['taken', a.id],
    ]);
    expect(underWay).toEqual([]);
  });

  test('one that waits for its turn is not taken when whoever asked for it has gone', async () => {
    await vm('tree', [{ echo: true }]);
    const asker = service.connect();
    const stop = client.on('checkpoints.changed', () => {
      stop();
      asker.close();
    });
    const asked = ['one', 'other'].map(title => asker.request('checkpoint.take', { name: 'tree', title }));
    const [begun, waiting] = (await Promise.allSettled(asked)).toSorted((a, b) => a.status.localeCompare(b.status));
    expect(waiting).toMatchObject({ status: 'rejected', reason: { code: 'ASKER_GONE' } });
    expect(await client.request('checkpoint.list', { name: 'tree' })).toEqual([(begun as PromiseFulfilledResult<unknown>).value]);
  });

  test('a reset with no wish to keep anything goes on at once', async () => {
    await vm('tree', [{ end: { kind: 'reset', cause: 'the guest' } }, { out: 'after' }, { echo: true }]);
    const serial = await serialOf(client, 'tree');
    await client.request('vm.start', { name: 'tree' });
    await serial.saw('after');
    expect(await client.request('vm.show', { name: 'tree' })).toMatchObject({ state: 'running', checkpoints: 0 });
  });

  test('one is taken when the guest has powered off, if the policy says so', async () => {
    await vm('tree', [{ end: { kind: 'power-off' } }]);
    const policy = await client.request('policy.show', { name: 'tree' });
    expect(await client.request('policy.set', { name: 'tree', policy: { ...policy, powerOff: true } })).toMatchObject({ powerOff: true });
    const ended = service.whenEnded('tree');
    await client.request('vm.start', { name: 'tree' });
    await ended;
    expect(await client.request('checkpoint.list', { name: 'tree' })).toMatchObject([
      { trigger: 'power-off', title: 'Powered off', running: false },
    ]);
    expect(await client.request('policy.show', { name: 'tree' })).toMatchObject({ powerOff: true });
  });
});

describe('two host services on one library', () => {
  test('the second commands a VM through the first, sees its console, and may not start it', async () => {
    await vm('shared', [{ out: 'hello' }, { echo: true }]);
    await client.request('vm.start', { name: 'shared' });
    // In one process the two would share a pid, which is how a service knows its own bundles: another process is played by another pid on record.
    const { spawnCairn } = await import('./testing/second-service.ts');
    const other = await spawnCairn(join(folder, 'library'));
    expect(await other.ask('vm.list', {})).toMatchObject([{ name: 'shared', state: 'running', ownedElsewhere: true }]);
    expect(await other.ask('vm.pause', { name: 'shared' })).toMatchObject({ state: 'paused' });
    expect(await client.request('vm.show', { name: 'shared' })).toMatchObject({ state: 'paused' });
    await other.ask('vm.resume', { name: 'shared' });
    await other.type('shared', 'typed from afar');
    expect(await other.saw('typed from afar')).toContain('hello');
    await expect(other.ask('vm.start', { name: 'shared' })).rejects.toThrow('shared is running already');
    await expect(other.ask('vm.delete', { name: 'shared' })).rejects.toThrow(`shared is open in another Cairn (process ${process.pid})`);
    await other.ask('vm.stop', { name: 'shared', how: 'plug' });
    await other.ask('vm.delete', { name: 'shared' }); // nobody has it now
    await other.end();
  });

  test('a VM ends on a host that can write nothing more, too', async () => {
    await vm('a', [{ halt: undefined }]);
    await client.request('vm.start', { name: 'a' });
    mkdirSync(join(folder, 'library', 'a.cairn', 'state.json.tmp')); // in the way of what would be written
    expect(await client.request('vm.stop', { name: 'a', how: 'plug' })).toMatchObject({ state: 'off' });
    rmSync(join(folder, 'library', 'a.cairn', 'state.json.tmp'), { recursive: true });
  });

  test('a VM that cannot be noted as started does not run', async () => {
    await vm('a', [{ halt: undefined }]);
    vi.spyOn(Bundle.prototype, 'stand').mockImplementationOnce(() => {
      throw new StorageError('DISK_FULL', 'state.json cannot be written.');
    });
    await expect(client.request('vm.start', { name: 'a' })).rejects.toThrow('cannot be written');
    expect(await client.request('vm.show', { name: 'a' })).toMatchObject({ state: 'off' });
  });
});
