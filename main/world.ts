/**
 * The kernel's side of one world: its worker threads, its shared memory, its rings. Actions are posted, never called; events are read in order. A reader
 * of a console that is slow holds the guest back instead of losing bytes, and nothing else: serial output has its own ring.
 */
import { setImmediate as yieldToLoop } from 'node:timers/promises';
import type { MessagePort, Worker } from 'node:worker_threads';
import type { DiskPointer } from '#engine/checkpoint/format/schemas.ts';
import type { DiskMode } from '#engine/disk/graph/descriptor.ts';
import { messageOf } from '#engine/errors/errors.ts';
import type { TrayState } from '#engine/machine/machine.ts';
import { SERIAL_RING_SIZE } from '#engine/memory/layout.ts';
import { memoryStats } from '#engine/memory/mmm.ts';
import type { DiskProgress } from '#worker/disk-protocol.ts';
import type { Doorbell } from '#worker/doorbell.ts';
import type { Thread } from '#worker/thread.ts';
import type { CheckpointOrder } from '#worker/checkpoint-protocol.ts';
import * as protocol from '#worker/protocol.ts';
import type { MediumAnswer, MediumOrder, RevertAnswer, RevertOrder, RevertWay, Stats, WorldEnd } from '#worker/protocol.ts';
import { RingReader, RingWriter, type Message } from '#worker/ring.ts';
import { actionRing, eventRing, kernelDoorbell, serialRing, vcpuDoorbell } from '#worker/world-block.ts';

import type { CheckpointFacts, CheckpointProgress } from './ipc/contract.ts';
import type { WorldCheckpoints } from './world-checkpoints.ts';
import type { WorldDisks } from './world-disks.ts';

/** Who is told what a world does. A promise from `serialOutput` holds further serial output back until it settles, and nothing else but the end. */
export interface WorldListener {
  serialOutput(channel: number, bytes: Uint8Array): void | Promise<void>;
  screen(payload: Uint8Array): void;
  /** `reason`: why the world paused itself, in words. */
  state(paused: boolean, reason: string | undefined): void;
  /** The guest is about to reset the machine and waits for ACTION_GO_ON_WITH_RESET with that number. */
  resetHeld(number: number): void;
  stats(stats: Stats): void;
  /** The guest has locked, released, opened or shut the tray of a CD-ROM drive. */
  trays(): void;
  /** One sentence for the user. */
  notice(text: string): void;
  /** What is done to the disks' files beside the guest. */
  diskProgress(progress: DiskProgress): void;
  ended(end: WorldEnd): void;
}

/** Messages handled before the process's other work gets a turn. */
const MESSAGES_PER_TURN = 64;
/** Serial input that may wait in the kernel before senders are asked to wait. */
const INPUT_COMFORT = 65536;

export class World {
  readonly memory: WebAssembly.Memory;
  /** Settles when the world has ended, everything it sent has been passed on and its disks are closed. */
  readonly ended: Promise<WorldEnd>;
  private readonly worker: Worker;
  readonly disks: WorldDisks | undefined;
  private readonly checkpoints: WorldCheckpoints;
  private readonly listener: WorldListener;
  private readonly actions: RingWriter;
  private readonly serialOutput: RingReader;
  private readonly events: RingReader;
  /** A reader is still taking serial output. */
  private taking: Promise<void> | undefined;
  private readonly bell: Doorbell;
  private readonly vcpuBell: Doorbell;
  /** Actions that the ring had no space for. */
  private readonly waiting: Message[] = [];
  private readonly serialInput = [new InputWindow(), new InputWindow()] as const;
  private exit: string | undefined;
  /** The guest runs no more. */
  hasEnded = false;
  /** The CD-ROM drives as the guest has them. */
  trays: readonly TrayState[] = [];
  private tellMedium: (answer: MediumAnswer) => void = () => {};
  private answerRevert: (answer: RevertAnswer) => void = () => {};
  private giveUp: () => void = () => {};
  private readonly givenUp = new Promise<void>(resolve => (this.giveUp = resolve));

  /** `data` is what the thread starts with; the memory is in it. */
  constructor(
    thread: Thread,
    memory: WebAssembly.Memory,
    data: object,
    transfer: readonly (ArrayBuffer | MessagePort)[],
    listener: WorldListener,
    checkpoints: WorldCheckpoints,
    disks?: WorldDisks,
  ) {
    const buffer = sharedBuffer(memory);
    this.memory = memory;
    this.listener = listener;
    this.checkpoints = checkpoints;
    this.disks = disks;
    disks?.listen({
      notice: text => listener.notice(text),
      progress: progress => listener.diskProgress(progress),
      crashed: reason => this.threadEnded(reason),
    });
    this.actions = new RingWriter(actionRing(buffer));
    this.serialOutput = new RingReader(serialRing(buffer));
    this.events = new RingReader(eventRing(buffer));
    this.bell = kernelDoorbell(buffer);
    this.vcpuBell = vcpuDoorbell(buffer);
    this.worker = thread.begin(data, transfer);
    this.worker.on('error', error => this.threadEnded(error instanceof Error ? `${error.name}: ${error.message}` : String(error)));
    this.worker.on('exit', code => this.threadEnded(`the vcpu worker ended by itself (code ${code})`));
    this.ended = this.readEvents();
  }

  /** Pages that the guest does not take because equal ones are shared. */
  get savedPages(): number {
    return memoryStats(sharedBuffer(this.memory)).savedPages;
  }

  post(action: number, payload: Uint8Array = new Uint8Array()): void {
    this.waiting.push({ kind: action, payload });
    this.flush();
  }

  /** Removes checkpoints of `folder` between two that are taken. */
  eliminate(folder: string, ids: readonly string[]): Promise<void> {
    return this.checkpoints.eliminate(folder, ids);
  }

  /**
   * Settles at step 836, or when it failed; the guest runs on either way. What the checkpoint needs of the disks is kept until they are asked to let go.
   * `mode`: undefined for the one that the disks have.
   */
  async take(
    order: Omit<CheckpointOrder, 'hasDisks'>,
    mode: DiskMode | undefined,
    progress: (progress: CheckpointProgress) => void,
  ): Promise<CheckpointFacts> {
    const { disks, checkpoints } = this;
    this.post(protocol.ACTION_PREPARE_CHECKPOINT);
    if (!disks?.inCheckpoints) return this.order({ ...order, hasDisks: false }, progress);
    const pointers = await disks.request('prepare', { mode });
    void disks.request('seal', {}).then(
      () => checkpoints.settleDisks(order.id, pointers),
      (error: unknown) => checkpoints.failDisks(order.id, error),
    );
    return this.order({ ...order, hasDisks: true }, progress);
  }

  private order(order: CheckpointOrder, progress: (progress: CheckpointProgress) => void): Promise<CheckpointFacts> {
    const taken = this.checkpoints.expect(order, progress);
    this.post(protocol.ACTION_CHECKPOINT, protocol.encodeJson(order));
    return taken;
  }

  /**
   * Back to a checkpoint in place: the guest stands still, its disks go back, all of them, and then its memory and devices. `pointers`: the checkpoint's disks. `decide` is called before
   * anything changes. Undefined when this world cannot do it, and nothing has changed; so it is when this throws. If the world ends once its disks have gone back, it has all the same.
   */
  async revert(order: RevertOrder, pointers: readonly DiskPointer[], decide: () => void): Promise<RevertWay | undefined> {
    const { disks } = this;
    // The guest has been told the disks' sizes.
    if (pointers.some(({ disk, sizeBytes }) => disks?.opened.find(({ name }) => name === disk)?.sizeBytes !== sizeBytes)) return undefined;
    // What takes long is done at the same time: by the vcpu's thread, the disk worker's and this one.
    const answered = this.askToRevert(protocol.ACTION_REVERT, protocol.encodeJson(order));
    const branched = disks?.request('branch', { disks: pointers });
    branched?.catch(() => {}); // it is awaited later
    try {
      decide();
      await branched;
      const answer = await answered;
      if (answer.kind === 'ready') {
        await disks?.request('adopt', { drop: true });
        await this.askToRevert(protocol.ACTION_REVERT_DECIDED, Uint8Array.of(1));
        return answer.way;
      }
    } catch (error) {
      this.post(protocol.ACTION_REVERT_DECIDED, Uint8Array.of(0));
      await answered;
      await this.dropBranches();
      throw error;
    }
    await this.dropBranches();
    return undefined;
  }

  /** One that cannot be removed is left to the collector. */
  private async dropBranches(): Promise<void> {
    await this.disks?.request('branch', { disks: [] }).catch(() => {});
  }

  private askToRevert(action: number, payload: Uint8Array): Promise<RevertAnswer> {
    const answer = new Promise<RevertAnswer>(resolve => (this.answerRevert = resolve));
    this.post(action, payload);
    return Promise.race([answer, this.ended.then((): RevertAnswer => ({ kind: 'refused', reason: 'The VM has ended.' }))]);
  }

  /** Gives the guest the disc that the disk worker has opened. */
  async changeMedium(order: MediumOrder): Promise<MediumAnswer['outcome'] | 'ended'> {
    const answered = new Promise<MediumAnswer>(resolve => (this.tellMedium = resolve));
    this.post(protocol.ACTION_MEDIUM, protocol.encodeJson(order));
    return Promise.race([answered.then(({ outcome }) => outcome), this.ended.then(() => 'ended' as const)]);
  }

  /** A promise when much is waiting already: send no more before it settles. */
  sendSerial(channel: 0 | 1, bytes: Uint8Array): void | Promise<void> {
    const window = this.serialInput[channel];
    window.add(bytes);
    this.sendInput(channel);
    if (window.queued > INPUT_COMFORT) return window.drained();
  }

  /** Ends the world whatever it does, and waits for no reader. */
  async terminate(): Promise<void> {
    this.giveUp();
    await this.worker.terminate();
    await this.ended;
  }

  private async readEvents(): Promise<WorldEnd> {
    const end = await this.readUntilEnd().catch((error: unknown): WorldEnd => ({
      kind: 'crashed',
      reason: messageOf(error),
    }));
    this.hasEnded = true;
    for (const window of this.serialInput) window.drop();
    await this.worker.terminate(); // before its disks are closed under it
    await this.disks?.finish();
    void this.checkpoints.finish(); // after the disks: a checkpoint under way waits for operations that were pending at its stop
    this.listener.ended(end);
    return end;
  }

  private async readUntilEnd(): Promise<WorldEnd> {
    for (let turn = 0; ;) {
      const seen = this.bell.count;
      const hasExited = this.exit; // read before the rings: what a thread wrote before it ended is in there
      this.flush();
      const event = this.events.read();
      if (this.events.takeSpaceWanted()) this.vcpuBell.ring();
      await this.passSerial(); // what was sent before the event, if it is taken
      if (event?.kind === protocol.EVENT_END) {
        await this.passRest();
        return protocol.decodeJson(event.payload) as WorldEnd;
      }
      if (event !== undefined) {
        this.dispatch(event);
        if (++turn % MESSAGES_PER_TURN === 0) await yieldToLoop();
      } else if (hasExited === undefined) {
        await this.bell.rung(seen);
        turn = 0;
      } else {
        await this.passRest();
        return { kind: 'crashed', reason: hasExited };
      }
    }
  }

  /** Passes on what is in the serial ring, until a reader has to take it first. */
  private async passSerial(): Promise<void> {
    for (let [bytes, turn] = [0, 0]; this.taking === undefined && bytes < SERIAL_RING_SIZE;) {
      const output = this.serialOutput.read();
      if (this.serialOutput.takeSpaceWanted()) this.vcpuBell.ring();
      if (output === undefined) return;
      const { payload } = output;
      bytes += payload.length;
      const taken = this.listener.serialOutput(payload[0]!, payload.subarray(1));
      if (taken) this.taking = this.whenTaken(taken);
      if (++turn % MESSAGES_PER_TURN === 0) await yieldToLoop();
    }
  }

  private async whenTaken(taken: Promise<void>): Promise<void> {
    try {
      await Promise.race([taken, this.givenUp]);
    } catch (error) {
      this.threadEnded(error instanceof Error ? error.message : String(error));
      void this.worker.terminate();
    }
    this.taking = undefined;
    this.bell.ring();
  }

  /** The world sends nothing any more. */
  private async passRest(): Promise<void> {
    while (this.taking !== undefined || !this.serialOutput.empty) {
      await this.taking;
      await this.passSerial();
    }
  }

  private dispatch(event: Message): void {
    switch (event.kind) {
      case protocol.EVENT_SCREEN:
        return this.listener.screen(event.payload);
      case protocol.EVENT_STATE: {
        const { paused, reason } = protocol.decodeState(event.payload);
        return this.listener.state(paused, reason);
      }
      case protocol.EVENT_REVERT:
        return this.answerRevert(protocol.decodeJson(event.payload) as RevertAnswer);
      case protocol.EVENT_MEDIUM:
        return this.tellMedium(protocol.decodeJson(event.payload) as MediumAnswer);
      case protocol.EVENT_TRAYS:
        this.trays = protocol.decodeJson(event.payload) as TrayState[];
        return this.listener.trays();
      case protocol.EVENT_RESET_HELD:
        return this.listener.resetHeld(protocol.decodeNumber(event.payload));
      case protocol.EVENT_STATS:
        return this.listener.stats(protocol.decodeStats(event.payload));
      case protocol.EVENT_SERIAL_TAKEN: {
        const { channel, count } = protocol.decodeTaken(event.payload);
        const index = channel === 1 ? 1 : 0;
        this.serialInput[index].taken(count);
        return this.sendInput(index);
      }
      default: // an event of no interest here
    }
  }

  private sendInput(channel: 0 | 1): void {
    for (;;) {
      const bytes = this.serialInput[channel].next();
      if (bytes === undefined) return;
      this.post(protocol.ACTION_SERIAL_IN, protocol.onChannel(channel, bytes));
    }
  }

  private flush(): void {
    if (this.actions.writeFrom(this.waiting)) this.vcpuBell.ring();
  }

  private threadEnded(reason: string): void {
    this.exit ??= reason;
    this.bell.ring();
  }
}

/** A world's memory is made shared; not every library's types can say so. */
export const sharedBuffer = (memory: WebAssembly.Memory): SharedArrayBuffer => memory.buffer as ArrayBufferLike as SharedArrayBuffer;

/** Serial input on its way to one UART: a bounded part of it is in the world. */
class InputWindow {
  queued = 0;
  private readonly chunks: Uint8Array[] = [];
  private underWay = 0;
  private waiters: (() => void)[] = [];

  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.chunks.push(bytes);
    this.queued += bytes.length;
  }

  /** What may be sent now. */
  next(): Uint8Array | undefined {
    const chunk = this.chunks[0];
    const room = protocol.SERIAL_INPUT_WINDOW - this.underWay;
    if (chunk === undefined || room <= 0) return undefined;
    const bytes = chunk.subarray(0, room);
    if (bytes.length === chunk.length) this.chunks.shift();
    else this.chunks[0] = chunk.subarray(room);
    this.queued -= bytes.length;
    this.underWay += bytes.length;
    if (this.queued <= INPUT_COMFORT / 2) this.release();
    return bytes;
  }

  taken(count: number): void {
    this.underWay = Math.max(0, this.underWay - count);
  }

  drained(): Promise<void> {
    return new Promise(resolve => this.waiters.push(resolve));
  }

  drop(): void {
    this.chunks.length = 0;
    this.queued = 0;
    this.release();
  }

  private release(): void {
    for (const resolve of this.waiters.splice(0)) resolve();
  }
}
