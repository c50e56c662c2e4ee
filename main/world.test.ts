import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import * as protocol from '#worker/protocol.ts';
import type { RunOptions } from '#worker/protocol.ts';
import type { Step } from '#worker/testing/fake-machine.ts';
import { vmConfig } from './ipc/contract.ts';
import type { WorldListener } from './world.ts';
import { sourceFiles, WorldManager } from './world-manager.ts';

/** The smallest module there is: the scripted machine has no use for a core. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

const run: RunOptions = {
  ...{
    pacing: 'virtual',
    rtc: 'host',
    noReboot: false,
    holdResets: false,
    startPaused: false,
    inputs: [],
    shareMemory: false,
    untilCount: undefined,
  },
};

let folder: string;
let worlds: WorldManager;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-world-'));
  const core = join(folder, 'empty.wasm');
  writeFileSync(core, EMPTY_MODULE);
  worlds = new WorldManager({
    ...sourceFiles,
    core: new URL(`file://${core}`),
    vcpuEntry: new URL('./testing/fake-vcpu.ts', import.meta.url),
  });
});
afterEach(async () => {
  await worlds.close();
  rmSync(folder, { recursive: true });
});

function start(steps: Step[], listener: Partial<WorldListener>) {
  const nothing = () => {};
  return worlds.start(
    {
      config: vmConfig.parse({ memoryMiB: 4, append: '', debugExit: false, noReboot: false, disks: [] }),
      memoryMiB: 4,
      boot: { kind: 'linux', commandLine: JSON.stringify(steps), kernel: new Uint8Array(), initrd: undefined },
      ...{ run, disks: [], restore: undefined },
    },
    {
      ...{ serialOutput: nothing, screen: nothing, state: nothing, resetHeld: nothing, stats: nothing, trays: nothing },
      ...{ notice: nothing, diskProgress: nothing, ended: nothing },
      ...listener,
    },
  );
}

test('a world answers while nobody takes what its guest sends out; the guest is held, and all of it comes in order before the end', async () => {
  const lines = Array.from({ length: 200 }, (_, i) => `${String(i).padStart(5, '0')}${'.'.repeat(10_000)}`);
  let received = '';
  let [release, hear] = [() => {}, () => {}];
  const heard = new Promise<void>(resolve => (hear = resolve));
  const gate = new Promise<void>(resolve => (release = resolve));
  const states: boolean[] = [];
  let tellState = () => {};
  const world = await start([...lines.flatMap(out => [{ out }, { nops: 1_000_000 }]), { end: { kind: 'power-off' } }], {
    serialOutput: (_channel, bytes) => {
      received += new TextDecoder().decode(bytes);
      hear();
      return gate;
    },
    state: paused => {
      states.push(paused);
      tellState();
    },
  });
  await heard;
  expect(await world.revert({ id: 'a', path: '/nowhere', folder: '/nowhere' }, [], () => {})).toBeUndefined(); // it has no checkpoints
  const paused = new Promise<void>(resolve => (tellState = () => states.at(-1) === true && resolve()));
  world.post(protocol.ACTION_PAUSE);
  await paused;
  expect(received.length).toBeLessThan(20_000);
  world.post(protocol.ACTION_RESUME);
  release();
  expect(await world.ended).toEqual({ kind: 'power-off' });
  expect(received).toBe(lines.join(''));
});

test('a world that has ended answers, too, while nobody takes its last words', async () => {
  let hear = () => {};
  const heard = new Promise<void>(resolve => (hear = resolve));
  const world = await start([{ out: 'x'.repeat(1 << 20) }, { end: { kind: 'power-off' } }], {
    serialOutput: () => {
      hear();
      return new Promise(() => {});
    },
  });
  await heard;
  expect(await world.revert({ id: 'a', path: '/nowhere', folder: '/nowhere' }, [], () => {})).toBeUndefined();
  await world.terminate();
});

test('a world that nobody listens to is ended all the same', async () => {
  const world = await start([{ out: 'x'.repeat(3 << 20) }, { end: { kind: 'power-off' } }], { serialOutput: () => new Promise(() => {}) });
  await world.terminate();
  expect((await world.ended).kind).toBe('crashed');
});
