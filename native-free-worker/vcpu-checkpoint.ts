/** The checkpoint software's part on the vcpu thread: the stop (804-814), and afterwards removing marks (828) and freeing pages, in bounded pieces between slices. */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import type { RestorableVm, StoppableVm } from '#engine/checkpoint/ports.ts';
import { whileStopped } from '#engine/checkpoint/stopped.ts';
import type { CoreExports } from '#engine/cpu/core-exports.ts';
import type { Machine } from '#engine/machine/machine.ts';
import { PAGE_SIZE } from '#engine/memory/layout.ts';
import { MMM_MAP_LIMIT } from '#engine/memory/mmm-block.ts';
import { findEmptySlot } from '#engine/memory/mmm.ts';
import { CheckpointError } from '#engine/errors/errors.ts';
import { failureOf, type CheckpointJob, type CheckpointOrder, type CheckpointReply } from './checkpoint-protocol.ts';
import type { DriveChannel } from './drive-channel.ts';
import { hostClock } from './host-clock.ts';
import type { VcpuCheckpoint } from './vcpu-loop.ts';

/** Map entries looked at between two slices: some 50 µs. */
const RECLAIM_CHUNK = 16384;

export type MemoryExports = Pick<
  CoreExports,
  'freeze' | 'thaw' | 'reclaim' | 'pageForRead' | 'installPage' | 'clearRam' | 'endEpoch' | 'resetDerived'
>;

/** The VM's disks on this thread (drive-channel.ts). */
export type CheckpointDisks = Pick<DriveChannel, 'canStop' | 'trouble' | 'switchTops' | 'hasReadThenWrite' | 'waitForAll' | 'onceEnded'>;

export class MachineCheckpoint implements VcpuCheckpoint {
  private readonly machine: Machine;
  private readonly core: MemoryExports;
  private readonly port: MessagePort;
  private readonly vm: StoppableVm;
  private readonly disks: CheckpointDisks | undefined;
  private underWay = 0;
  private readonly thawed: number[] = [];
  /** Ordered, and not stopped for yet. */
  private readonly orders: { readonly order: CheckpointOrder; readonly startedMs: number }[] = [];

  /** `port` leads to the checkpoint worker; nobody else may listen on it. */
  constructor(machine: Machine, core: MemoryExports, memory: SharedArrayBuffer, port: MessagePort, disks?: CheckpointDisks) {
    this.machine = machine;
    this.core = core;
    this.port = port;
    this.disks = disks;
    this.vm = {
      freeze() {
        const slot = findEmptySlot(memory);
        return slot === undefined ? undefined : { slot, epoch: core.freeze(slot) >>> 0 };
      },
      thaw: slot => this.thaw(slot),
      saveDevices: () => machine.saveDevices(),
      ...(disks && { disks }),
    };
  }

  /** `order` is a CheckpointOrder. The stop comes at once, or with work() where disk operations are in the way. */
  take(order: unknown): void {
    this.orders.push({ order: order as CheckpointOrder, startedMs: hostClock.nowMs() });
    this.stopWherePossible();
  }

  private stopWherePossible(): void {
    const next = this.orders[0];
    if (next === undefined) return;
    try {
      if (!(this.disks?.canStop ?? true)) {
        const trouble = this.disks?.trouble;
        if (trouble === undefined) return;
        throw new CheckpointError('DISK_TROUBLE', `${trouble} No checkpoint can be taken before that.`, { step: 804 });
      }
      this.stop(next.order, next.startedMs);
    } catch (error) {
      this.send({ kind: 'refused', id: next.order.id, failure: failureOf(error) });
    }
    this.orders.shift();
  }

  /** Steps 804-814, and 822's word when it can be given. */
  private stop(order: CheckpointOrder, startedMs: number): void {
    const stopped = whileStopped(this.vm, hostClock);
    try {
      this.send({ kind: 'take', order, stopped, startedMs });
      this.underWay++;
    } catch (error) {
      this.thaw(stopped.slot);
      throw error;
    }
    this.disks?.onceEnded('reads', () => this.send({ kind: 'reads-ended', id: order.id }));
  }

  /** Tells the checkpoint worker which file this machine was filled from. */
  restored(path: string, folder: string, epoch: number): void {
    this.send({ kind: 'restored', path, folder, epoch });
  }

  work(): boolean {
    this.stopWherePossible();
    while (this.underWay > 0) {
      const received = receiveMessageOnPort(this.port) as { message: CheckpointReply } | undefined;
      if (received === undefined) break;
      this.underWay--;
      this.thaw(received.message.slot);
    }
    const slot = this.thawed[0];
    if (slot !== undefined && this.core.reclaim(slot, RECLAIM_CHUNK) === 0) this.thawed.shift();
    return this.thawed.length > 0;
  }

  private thaw(slot: number): void {
    this.core.thaw(slot);
    this.thawed.push(slot);
  }

  private send(job: CheckpointJob): void {
    this.port.postMessage(job);
  }
}

/** A fresh machine as restoring sees it. */
export function restorableVm(machine: Machine, core: MemoryExports, memory: SharedArrayBuffer): RestorableVm {
  return {
    ramBytes: machine.ramBytes,
    limit: new Uint32Array(memory)[MMM_MAP_LIMIT >>> 2]!,
    isRam: gppn => core.pageForRead(gppn) !== 0,
    installPage: gppn => new Uint8Array(memory, core.installPage(gppn) >>> 0, PAGE_SIZE),
    clearRam: () => core.clearRam(),
    loadDevices: devices => machine.loadDevices(devices),
    seal() {
      const epoch = core.endEpoch() >>> 0;
      core.resetDerived();
      return epoch;
    },
  };
}
