/** Starts and ends worlds (METHOD.md: a schedulable VM/VMM pair). What a world needs is prepared here; what goes wrong inside one stays there. */
import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MessageChannel } from 'node:worker_threads';
import { ConfigError } from '#engine/errors/errors.ts';
import type { BootSource } from '#engine/machine/machine.ts';
import { PAGE_SIZE, POOL_BASE } from '#engine/memory/layout.ts';
import type { DiskSpec } from '#worker/disk-protocol.ts';
import { FIXED_GENERATION, newGeneration } from '#worker/outside.ts';
import type { MachineOptions, RestoreOrder, RunOptions, VcpuWorkerData } from '#worker/protocol.ts';
import type { VmConfig } from './ipc/contract.ts';
import { SpareThreads } from './spare-threads.ts';
import { WorldCheckpoints } from './world-checkpoints.ts';
import { WorldDisks } from './world-disks.ts';
import { sharedBuffer, World, type WorldListener } from './world.ts';

const MIB = 1024 * 1024;
const WASM_PAGE = 65536;
const WASM_LIMIT = 4096 * MIB;
/** Pages in which equal ones are looked for, in a second, unless the user says otherwise: what Linux does for its own guests. */
const SHARE_PACE = 5000;
/** Machine pages beyond twice the guest's RAM: video memory, the zero page, copies in flight. */
const SLACK_PAGES = 4096;

export interface WorldFiles {
  /** The compiled core (build/engine.wasm). */
  readonly core: URL;
  readonly vcpuEntry: URL;
  readonly checkpointEntry: URL;
  readonly diskEntry: URL;
  readonly pulseEntry: URL;
}

export const sourceFiles: WorldFiles = {
  core: new URL('../build/engine.wasm', import.meta.url),
  vcpuEntry: new URL('../native-free-worker/vcpu-worker.ts', import.meta.url),
  checkpointEntry: new URL('../native-free-worker/checkpoint-worker.ts', import.meta.url),
  diskEntry: new URL('../native-free-worker/disk-worker.ts', import.meta.url),
  pulseEntry: new URL('../native-free-worker/pulse.ts', import.meta.url),
};

export interface WorldSpec {
  readonly config: VmConfig;
  /** That of the configuration, or of the checkpoint. */
  readonly memoryMiB: number;
  readonly boot: BootSource;
  readonly run: RunOptions;
  readonly disks: readonly DiskSpec[];
  readonly restore: RestoreOrder | undefined;
}

export class WorldManager {
  readonly files: WorldFiles;
  private readonly worlds = new Set<World>();
  private readonly threads = new SpareThreads();
  private core: Promise<WebAssembly.Module> | undefined;

  constructor(files: WorldFiles = sourceFiles) {
    this.files = files;
  }

  /** Throws ConfigError when the host can't hold it, and what opening a disk throws. */
  async start(spec: WorldSpec, listener: WorldListener): Promise<World> {
    const ramBytes = spec.memoryMiB * MIB;
    if (ramBytes > totalmem()) {
      throw new ConfigError(
        'TOO_MUCH_MEMORY',
        `${spec.memoryMiB} MiB of memory is more than this computer has (${Math.floor(totalmem() / MIB)} MiB): give the VM less.`,
      );
    }
    this.threads.requireRoom([this.files.vcpuEntry, this.files.checkpointEntry, this.files.diskEntry]);
    await using unused = new AsyncDisposableStack();
    const thread = (entry: URL, name: string) => {
      const taken = this.threads.take(entry, name);
      unused.defer(async () => void (await taken.worker.terminate()));
      return taken;
    };
    // They load their programs meanwhile, where none was ready.
    const vcpuThread = thread(this.files.vcpuEntry, 'vcpu');
    const checkpointThread = thread(this.files.checkpointEntry, 'checkpoint');
    const core = await this.loadCore();
    const poolPages = Math.min((WASM_LIMIT - POOL_BASE) / PAGE_SIZE, (2 * ramBytes) / PAGE_SIZE + SLACK_PAGES);
    const memory = makeMemory(POOL_BASE + poolPages * PAGE_SIZE, spec.memoryMiB);
    const machine: MachineOptions = {
      ramBytes,
      poolPages,
      rtcStartSeconds: Math.floor(Date.now() / 1000),
      debugExit: spec.config.debugExit,
      balloon: spec.config.balloon ?? false,
      rng: spec.config.rng ?? true,
      generation: spec.run.pacing === 'host' ? newGeneration() : FIXED_GENERATION,
      boot: spec.boot,
    };
    const disks =
      spec.disks.length === 0
        ? undefined
        : await WorldDisks.open(thread(this.files.diskEntry, 'disk'), sharedBuffer(memory), spec.disks, true);
    const { port1, port2 } = new MessageChannel();
    const data: VcpuWorkerData = {
      ...{ core, memory, machine, run: spec.run, restore: spec.restore },
      disks: disks?.opened ?? [],
      checkpoints: port1,
    };
    const sharePace = spec.run.shareMemory ? (spec.config.sharePace ?? SHARE_PACE) : undefined;
    const checkpoints = new WorldCheckpoints(checkpointThread, sharedBuffer(memory), ramBytes, port2, sharePace);
    const world = new World(vcpuThread, memory, data, [port1], listener, checkpoints, disks);
    unused.move(); // they are the world's
    this.worlds.add(world);
    void world.ended.then(() => {
      this.worlds.delete(world);
      setTimeout(returnMemory, 100).unref();
    });
    return world;
  }

  async close(): Promise<void> {
    await Promise.all([...this.worlds].map(world => world.terminate()));
    await this.threads.close();
  }

  private loadCore(): Promise<WebAssembly.Module> {
    this.core ??= readFile(this.files.core).then(
      bytes => new WebAssembly.Module(bytes),
      (cause: unknown) => {
        this.core = undefined;
        throw new ConfigError('NOT_BUILT', 'the emulator core is not built: run `npm run build` in the project folder.', { cause });
      },
    );
    return this.core;
  }
}

function makeMemory(bytes: number, memoryMiB: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / WASM_PAGE);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new ConfigError(
      'TOO_MUCH_MEMORY',
      `this computer cannot give a VM ${memoryMiB} MiB of memory now: close other VMs or programs, or give the VM less.`,
      { cause },
    );
  }
}

/** An ended world's memory is huge and its JavaScript handle tiny: V8 sees no reason to collect it soon, so it is told. */
function returnMemory(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
}
