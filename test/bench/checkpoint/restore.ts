/**
 * The engine's part of going back (npm run bench restore [MIB…]): a checkpoint of a guest most of whose memory is in use, restored by a running kernel: time from the request to the guest's first
 * sign of life (a byte on its serial port), to all memory loaded, and for comparison to the first sign of life with all memory loaded before. What the restore itself takes of the
 * first is measured in this process; the rest is the start of the world's threads.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pace } from '#engine/checkpoint/pace.ts';
import { restoreCheckpoint } from '#engine/checkpoint/restore.ts';
import { whileStopped } from '#engine/checkpoint/stopped.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { takeCheckpoint } from '#engine/checkpoint/take.ts';
import { PAGE_SIZE } from '#engine/memory/layout.ts';
import { FrozenMap, memoryStats } from '#engine/memory/mmm.ts';
import { vmConfig } from '#main/ipc/contract.ts';
import { WorldManager } from '#main/world-manager.ts';
import { hostClock } from '#worker/host-clock.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { restorableVm } from '#worker/vcpu-checkpoint.ts';
import { BenchPc } from '../../support/bench-pc.ts';
import { bufferOf } from '../../support/bench-checkpoint.ts';
import { TinyKernel } from '../../support/tiny-kernel.ts';
import { median } from '../guest.ts';
import { Table } from './figures.ts';

const USED_SHARE = 0.75;
const ID = 'bench0restore';
/** After so long a kernel has threads in store for the next world. */
const SPARES_MS = 3000;

/** Counts in memory and sends a byte for each count. */
function talker(): Uint8Array {
  const kernel = new TinyKernel();
  const loop = kernel.here;
  kernel.increment(0x300000).out8(0x3f8, 0x2e).raw(0xb9, 0x40, 0x42, 0x0f, 0x00); // mov ecx, 1000000
  const delay = kernel.here;
  kernel.raw(0x49, 0x75, (delay - (kernel.here + 3)) & 0xff); // dec ecx; jnz
  return kernel.jumpTo(loop).image();
}

/** A page that zstd makes about a third of, no two alike. */
function fillPage(words: Uint32Array, seed: number): void {
  let noise = seed;
  for (let i = 0; i < words.length; i++) {
    if (i % 3 === 0) noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0;
    words[i] = i % 3 === 0 ? noise : seed;
  }
}

async function writeCheckpoint(folder: string, memoryMiB: number): Promise<CheckpointStore> {
  const bench = new BenchPc({ ramBytes: memoryMiB * 2 ** 20, boot: { kind: 'multiboot', kernel: talker(), modules: [], commandLine: '' } });
  bench.run(5_000_000);
  const { pc } = bench;
  const page = new Uint32Array(PAGE_SIZE / 4);
  const first = 0x400;
  for (let gppn = first; gppn < ((memoryMiB * 2 ** 20) / PAGE_SIZE) * USED_SHARE; gppn++) {
    fillPage(page, gppn);
    pc.memory.write(gppn * PAGE_SIZE, new Uint8Array(page.buffer));
  }
  const vm = {
    freeze: () => ({ slot: 0, epoch: pc.core.freeze(0) }),
    thaw: () => {},
    saveDevices: () => pc.saveDevices(),
  };
  const stopped = whileStopped(vm, hostClock);
  const store = new CheckpointStore(nodeFiles, folder);
  const request = { id: ID, parent: null, vmName: 'bench', title: 'bench', takenAt: '', ramBytes: pc.ramBytes, running: true };
  const pace = new Pace(hostClock, [{ afterMs: 0, share: 1 }]);
  const parts = { store, codec: nodeCodec, clock: hostClock, pace, base: undefined, startedMs: 0 };
  await takeCheckpoint(request, stopped, new FrozenMap(bufferOf(bench), 0), parts);
  return store;
}

/** Until the machine could run: reading the file's tables, the devices, the map. */
function restoreHere(store: CheckpointStore, memoryMiB: number): number {
  const bench = new BenchPc({ ramBytes: memoryMiB * 2 ** 20, boot: { kind: 'none' } });
  const vm = restorableVm(bench.pc, bench.pc.core, bufferOf(bench));
  const begin = performance.now();
  using later = restoreCheckpoint(store, store.pathOf(ID), vm, nodeCodec, { lazy: true }).later;
  return later ? performance.now() - begin : NaN;
}

async function restore(worlds: WorldManager, store: CheckpointStore, memoryMiB: number, whole: boolean) {
  let alive: () => void = () => {};
  const firstSign = new Promise<void>(resolve => (alive = resolve));
  const begin = performance.now();
  const world = await worlds.start(
    {
      config: vmConfig.parse({ memoryMiB, append: '', debugExit: false, noReboot: false }),
      memoryMiB,
      boot: { kind: 'none' },
      disks: [],
      run: {
        pacing: 'host',
        rtc: 'host',
        noReboot: true,
        startPaused: false,
        holdResets: false,
        shareMemory: false,
        inputs: [],
        untilCount: undefined,
      },
      restore: { path: store.pathOf(ID), folder: store.folder, whole },
    },
    {
      serialOutput: () => alive(),
      screen: () => {},
      state: () => {},
      diskProgress: () => {},
      notice: () => {},
      resetHeld: () => {},
      trays: () => {},
      stats: () => {},
      ended: () => {},
    },
  );
  await firstSign;
  const firstMs = performance.now() - begin;
  while (memoryStats(world.memory.buffer as unknown as SharedArrayBuffer).notLoaded > 0)
    await new Promise(resolve => setTimeout(resolve, 5));
  const allMs = performance.now() - begin;
  await world.terminate();
  return { firstMs, allMs };
}

export async function restorePart(sizes: readonly number[], times: number): Promise<void> {
  console.log(
    `ms from the request, medians of ${times}; a guest without an operating system, ${USED_SHARE * 100} % of its memory in use\n`,
  );
  const table = new Table(
    'memory MiB',
    'file MiB',
    'first instruction',
    'minimum',
    'restore alone',
    'all loaded',
    'first instruction, all loaded before',
  );
  for (const memoryMiB of sizes) {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'cairn-bench-'));
    const worlds = new WorldManager();
    try {
      const store = await writeCheckpoint(folder, memoryMiB);
      await restore(worlds, store, memoryMiB, false); // the core is compiled, the file is in the host's cache
      const lazy = [];
      for (let time = 0; time < times; time++) {
        await sleep(SPARES_MS);
        lazy.push(await restore(worlds, store, memoryMiB, false));
      }
      const alone = Array.from({ length: times }, () => restoreHere(store, memoryMiB));
      const whole = await restore(worlds, store, memoryMiB, true);
      const firsts = lazy.map(({ firstMs }) => firstMs);
      table.row(
        ...[String(memoryMiB), statSync(store.pathOf(ID)).size / 2 ** 20],
        ...[median(firsts), Math.min(...firsts), median(alone), median(lazy.map(({ allMs }) => allMs)), whole.firstMs],
      );
    } finally {
      await worlds.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
