/**
 * The synchronous loop of a vcpu worker (DESIGN.md section 1): look at actions → due time → run a slice → repeat. A halted guest waits
 * on the doorbell until its next deadline or an action, so that an idle one costs the host nothing.
 */
import { InvariantError } from '#engine/errors/errors.ts';
import type { Drive } from '#engine/devices/drive.ts';
import type { Machine, SliceEnd } from '#engine/machine/machine.ts';
import type { OpenedDisk } from './disk-protocol.ts';
import type { Doorbell } from './doorbell.ts';
import { Outbox } from './outbox.ts';
import { generationBytes } from './outside.ts';
import { Pacer } from './pacer.ts';
import * as protocol from './protocol.ts';
import type { MediumAnswer, MediumOrder, RevertAnswer, RevertOrder, RevertWay, RunOptions, TimedInput, WorldEnd } from './protocol.ts';
import { Quiet } from './quiet.ts';
import type { Message, RingReader } from './ring.ts';
import { ScreenDiff } from './screen-diff.ts';
import { SerialInput } from './serial-input.ts';
import { SliceBudget } from './slice-budget.ts';

const MS = 1_000_000;
const SECOND = 1000 * MS;
/** At most 60 frames a second. */
const FRAME_INTERVAL_NS = SECOND / 60;
/** How long a guest without a free page waits before it tries again. */
const THROTTLE_MS = 1;
/** A rest at a time, so that a guest that is slowed still answers. */
const LONGEST_REST_MS = 20;
/** Thrown out of whatever stands still, when the world is stopped meanwhile. */
const STOPPED = Symbol('stopped');
/** The battery-backed clock shows whole seconds: what is less is not put right. */
const LARGEST_CLOCK_ERROR_SECONDS = 1;
/** Sleeps are bounded by what setTimeout-like clocks can hold. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1;

/** The checkpoint software's part on the vcpu thread. */
export interface VcpuCheckpoint {
  /** An order comes soon: what can be done before the stop is begun. */
  prepare(): void;
  /** Steps 804-814, between slices. Failures are reported to the kernel, never thrown. */
  take(order: unknown): void;
  /** No checkpoint can be taken now: the kernel is told. */
  refuse(order: unknown, reason: string): void;
  /** Called while memory is loaded late, with a sentence, when that failed: it returns when it is to be tried again. */
  whenStorageFails: (reason: string) => void;
  /** A bounded piece of what is to be done between slices (thaw, reclaim); true when more can be done at once. */
  work(): boolean;
  /** The guest has run for `elapsedNs`: how long it is to rest, in ns, so that copies stay within their limit (§111). */
  ran(elapsedNs: number): number;
  /** `order` is a RevertOrder. All of going back that may fail, and changes nothing; or why it cannot be, in words. */
  readyRevert(order: unknown): ReadyRevert | string;
  dropFromRam(id: string): void;
}

/** A checkpoint that the machine can go back to at once. */
export interface ReadyRevert {
  readonly way: RevertWay;
  /** Memory and devices become what they were at the checkpoint. The disks have gone back already. */
  go(): void;
  /** Nothing comes of it. */
  drop(): void;
}

/** The world's disks on the vcpu thread (drive-channel.ts). */
export interface VcpuDisks {
  /** Takes what the disk worker has ended. */
  collect(): void;
  /** Tells the guest of what is due. False when it must not run on yet: what is due has not ended, or no page is free. */
  deliver(): boolean;
  /** Why the disk worker holds an operation, in words; undefined when it holds none. */
  readonly trouble: string | undefined;
  /** Tries held operations again. */
  retry(): void;
  /** Another disc for a CD-ROM drive; undefined where that is none. */
  changeMedium(opened: OpenedDisk): Drive | undefined;
  /** Forgets what the machine has submitted, for it is about to go back. */
  dropSubmitted(): void;
}

export interface LoopParts {
  readonly machine: Machine;
  readonly outbox: Outbox;
  readonly actions: RingReader;
  /** Rung by the kernel, the checkpoint worker and the disk worker for this loop. */
  readonly bell: Doorbell;
  readonly kernelBell: Doorbell;
  readonly hostNowNs: () => number;
  /** The host's wall clock. It goes on while the host sleeps, and may be set. */
  readonly hostUnixSeconds: () => number;
  readonly checkpoint: VcpuCheckpoint | undefined;
  readonly disks: VcpuDisks | undefined;
  /** False when a reset has nothing to boot from: then it ends the world, and the kernel decides. */
  readonly canReboot: boolean;
  readonly options: RunOptions;
}

export class VcpuLoop {
  private readonly parts: LoopParts;
  private readonly machine: Machine;
  private readonly budget: SliceBudget;
  private readonly pacer = new Pacer();
  /** Of virtual time, that the pacer knows of. */
  private takenOffNs = 0;
  /** The machine's idea of the host's time is to be looked at before it runs. */
  private clockUnsure = true;
  private readonly quiet = new Quiet();
  private readonly screen = new ScreenDiff();
  private readonly serialInput: SerialInput;
  private readonly inputs: TimedInput[];
  private end: WorldEnd | undefined;
  private paused: boolean;
  /** The number of the reset that waits for the kernel. */
  private heldReset: number | undefined;
  private resetsHeld = 0;
  /** Came while the thread stood still. */
  private readonly deferred: Message[] = [];
  /** Paused because the host's storage failed: why. */
  private trouble: string | undefined;
  private screenCredit = false;
  /** The guest has run since the screen was last looked at. */
  private screenStale = true;
  private lastFrameNs = -FRAME_INTERVAL_NS;
  private statsSinceNs = 0;
  private statsSinceCount = 0;
  private busyNs = 0;
  /** Of the slice under way: how long it stood still. */
  private stoodNs = 0;
  /** How long the guest still has to rest. */
  private restNs = 0;
  /** The CD-ROM drives' trays as the kernel knows them. */
  private trays = '[]';

  constructor(parts: LoopParts) {
    this.parts = parts;
    this.machine = parts.machine;
    this.budget = new SliceBudget(parts.options.pacing);
    this.serialInput = new SerialInput(parts.machine, parts.outbox);
    this.inputs = [...parts.options.inputs];
    this.paused = parts.options.startPaused;
  }

  /** Returns when the world ends, with everything the guest sent out in the rings. */
  run(): WorldEnd {
    this.beginStats();
    this.anchor();
    this.sendTrays();
    this.postState();
    try {
      this.end = this.runUntilEnd();
    } catch (thrown) {
      if (thrown !== STOPPED) throw thrown;
      this.end = { kind: 'stopped' };
    }
    this.finish(this.end);
    return this.end;
  }

  private runUntilEnd(): WorldEnd {
    const { bell, outbox, checkpoint, disks } = this.parts;
    for (;;) {
      const seen = bell.count; // before looking for news, so that no ring is missed
      this.lookAtActions();
      if (this.end !== undefined) return this.end;
      disks?.collect();
      this.lookAtTrouble();
      const moreWork = checkpoint?.work() ?? false;
      if (!outbox.flush()) bell.sleep(seen);
      else if (this.paused || this.heldReset !== undefined) this.idle(seen, moreWork, undefined);
      else if (disks?.deliver() ?? true) this.slice(seen, moreWork);
      else if (!moreWork) bell.sleep(seen, THROTTLE_MS);
    }
  }

  /** In the middle of an instruction, of a device's work or of the checkpoint software's: the VM is paused for `reason` until it is resumed. Throws when the world is stopped. */
  standStill(reason: string): void {
    const stillFrom = this.parts.hostNowNs();
    this.trouble = reason;
    this.setPaused(true);
    this.standWhile(
      () => this.paused,
      reason,
      ({ kind }) => {
        if (kind !== protocol.ACTION_RESUME) return kind === protocol.ACTION_PAUSE;
        this.parts.disks?.retry();
        this.setPaused(false);
        return true;
      },
    );
    this.stoodNs += this.parts.hostNowNs() - stillFrom;
  }

  /** What `take` does not take is looked at afterwards. `reason`: why nothing else can be done now, in words. */
  private standWhile(condition: () => boolean, reason: string, take: (action: Message) => boolean): void {
    const { actions, bell, kernelBell, outbox, checkpoint } = this.parts;
    while (condition()) {
      const seen = bell.count; // before looking for news, so that no ring is missed
      outbox.flush();
      const action = actions.read();
      if (action === undefined) bell.sleep(seen);
      else if (action.kind === protocol.ACTION_STOP) throw STOPPED;
      else if (action.kind === protocol.ACTION_CHECKPOINT) checkpoint?.refuse(protocol.decodeJson(action.payload), reason);
      else if (action.kind === protocol.ACTION_REVERT) this.answerRevert({ kind: 'refused', reason });
      else if (action.kind === protocol.ACTION_MEDIUM) this.answerMedium('busy');
      else if (!take(action)) this.deferred.push(action);
      if (actions.takeSpaceWanted()) kernelBell.ring();
    }
  }

  /** A host whose storage fails stops the guest, which never learns of it. It goes on when it is resumed, or by itself when nothing is held any more. */
  private lookAtTrouble(): void {
    const trouble = this.parts.disks?.trouble;
    if (trouble === undefined) {
      if (this.trouble !== undefined) this.setPaused(false);
    } else if (!this.paused) {
      this.trouble = trouble;
      this.setPaused(true);
    }
  }

  private setPaused(paused: boolean): void {
    if (this.paused && !paused) this.anchor();
    this.paused = paused;
    if (!paused) this.trouble = undefined;
    this.postState();
  }

  private slice(seen: number, moreWork: boolean): void {
    const { hostNowNs, bell, options } = this.parts;
    const machine = this.machine;
    const startNs = hostNowNs();
    this.followEra();
    this.followHostTime();
    if (options.pacing === 'host') {
      const leadNs = this.pacer.leadNs(startNs, machine.nowNs());
      if (leadNs > 0) {
        this.idle(seen, moreWork, leadNs);
        return;
      }
    }
    const count = machine.instructionCount();
    const budget = Math.min(this.budget.next(count), (this.nextStop() ?? Infinity) - count);
    if (budget <= 0) {
      this.end = { kind: 'count-reached', count, hash: machine.stateHash() };
      return;
    }
    this.stoodNs = 0;
    const end = machine.runSlice(budget);
    const elapsedNs = hostNowNs() - startNs - this.stoodNs;
    this.budget.ran(machine.instructionCount() - count, elapsedNs);
    this.busyNs += elapsedNs;
    this.restNs += this.parts.checkpoint?.ran(elapsedNs) ?? 0;
    this.screenStale = true;
    const gaveInput = (end.kind === 'halted' || this.budget.atBoundary(machine.instructionCount())) && this.serialInput.deliver();
    this.parts.outbox.takeSerial();
    this.sendScreen();
    this.sendStats();
    this.sendTrays();
    if (end.kind === 'halted' && gaveInput) return; // that may have woken it
    if (end.kind === 'halted') this.halted(seen, moreWork);
    else if (end.kind === 'budget') {
      this.rest(seen);
      this.keepPace(false);
    } else if (end.kind === 'pool-exhausted') {
      if (!moreWork) bell.sleep(seen, THROTTLE_MS);
      this.keepPace(false);
    } else this.guestEnded(end);
  }

  /** Sleeps off what the guest owes, once that is a millisecond; a ring of the doorbell is heard, and what is left stays owed. */
  private rest(seen: number): void {
    const { bell, hostNowNs } = this.parts;
    if (this.restNs < MS) return;
    const begunNs = hostNowNs();
    bell.sleep(seen, Math.min(this.restNs / MS, LONGEST_REST_MS));
    this.restNs = Math.max(0, Math.min(this.restNs, LONGEST_REST_MS * MS) - (hostNowNs() - begunNs));
  }

  private guestEnded(end: Exclude<SliceEnd, { kind: 'budget' | 'halted' | 'pool-exhausted' }>): void {
    const { options, canReboot, outbox } = this.parts;
    if (end.kind !== 'reset' || options.noReboot || !canReboot) this.end = end;
    else if (options.holdResets && this.heldReset === undefined) {
      this.heldReset = ++this.resetsHeld;
      outbox.post(protocol.EVENT_RESET_HELD, protocol.encodeNumber(this.heldReset));
    } else this.goOnWithReset();
  }

  private goOnWithReset(): void {
    if (this.heldReset !== undefined) this.anchor();
    this.heldReset = undefined;
    this.machine.reset();
  }

  private halted(seen: number, moreWork: boolean): void {
    const { options, hostNowNs } = this.parts;
    if (options.pacing === 'host') {
      const hostNs = hostNowNs();
      this.followEra();
      this.quiet.halted(hostNs, this.machine.instructionCount(), this.machine.userRuns());
      const wakeNs = this.machine.nextDeadlineWithin(this.quiet.patienceNs(hostNs));
      this.idle(seen, moreWork, wakeNs === undefined ? undefined : this.pacer.untilNs(hostNs, wakeNs));
      this.keepPace(true);
      return;
    }
    const deadlineNs = this.machine.nextDeadlineNs();
    if (deadlineNs !== undefined) {
      this.machine.advanceTimeNs(Math.max(0, deadlineNs - this.machine.nowNs()));
    } else if (this.inputs.length > 0) {
      // The count that the input waits for can't be reached: it is what wakes the guest.
      this.apply(this.inputs.shift()!);
    } else {
      this.idle(seen, moreWork, undefined);
    }
  }

  /** Sleeps until `waitNs` have passed (undefined: for ever), a frame is due or the doorbell rings. */
  private idle(seen: number, moreWork: boolean, waitNs: number | undefined): void {
    this.sendScreen();
    if (moreWork || !this.parts.outbox.flush()) return;
    let timeoutNs = waitNs ?? Infinity;
    if (this.screenCredit && this.screenStale)
      timeoutNs = Math.min(timeoutNs, this.lastFrameNs + FRAME_INTERVAL_NS - this.parts.hostNowNs());
    if (timeoutNs === Infinity) this.parts.bell.sleep(seen);
    else if (timeoutNs > 0) this.parts.bell.sleep(seen, Math.min(timeoutNs / MS, LONGEST_SLEEP_MS));
  }

  private keepPace(idle: boolean): void {
    if (this.parts.options.pacing !== 'host') return;
    const hostNs = this.parts.hostNowNs();
    this.followEra();
    const virtualNs = this.machine.nowNs();
    const jumpNs = idle ? this.pacer.idleJumpNs(hostNs, virtualNs) : this.pacer.jumpNs(hostNs, virtualNs);
    if (jumpNs > 0) this.machine.advanceTimeNs(jumpNs);
  }

  private followEra(): void {
    const takenOffNs = this.machine.takenOffNs();
    this.pacer.shift(takenOffNs - this.takenOffNs);
    this.takenOffNs = takenOffNs;
  }

  /** Between slices, as an event like any other: a guest that was paused, went back or whose host slept finds the time where it looks for it at a start. */
  private followHostTime(): void {
    const { options, hostUnixSeconds } = this.parts;
    if (!this.clockUnsure || options.pacing !== 'host' || options.rtc !== 'host') return;
    this.clockUnsure = false;
    const seconds = hostUnixSeconds();
    if (Math.abs(seconds - this.machine.hostTime()) >= LARGEST_CLOCK_ERROR_SECONDS)
      this.apply({ action: protocol.ACTION_HOST_TIME, payload: protocol.encodeSeconds(seconds) });
  }

  private anchor(): void {
    this.clockUnsure = true;
    this.takenOffNs = this.machine.takenOffNs();
    this.pacer.anchor(this.parts.hostNowNs(), this.machine.nowNs());
  }

  /** The next count at which something is to happen between instructions. */
  private nextStop(): number | undefined {
    const { untilCount } = this.parts.options;
    const input = this.inputs[0]?.count;
    if (untilCount === undefined || input === undefined) return untilCount ?? input;
    return Math.min(untilCount, input);
  }

  private lookAtActions(): void {
    const { actions, kernelBell } = this.parts;
    for (;;) {
      const action = this.deferred.shift() ?? actions.read();
      if (action === undefined) break;
      if (action.kind !== protocol.ACTION_SCREEN_CREDIT) this.quiet.disturb(this.parts.hostNowNs());
      this.apply({ action: action.kind, payload: action.payload });
    }
    if (actions.takeSpaceWanted()) kernelBell.ring();
    while (this.inputs.length > 0 && this.inputs[0]!.count <= this.machine.instructionCount()) this.apply(this.inputs.shift()!);
  }

  private apply({ action, payload }: { action: Message['kind']; payload: Uint8Array }): void {
    switch (action) {
      case protocol.ACTION_SERIAL_IN:
        this.serialInput.queue(payload);
        this.serialInput.deliver();
        break;
      case protocol.ACTION_SCANCODES:
        this.machine.keyboardInput(payload);
        break;
      case protocol.ACTION_PAUSE:
        this.trouble = undefined;
        this.setPaused(true);
        break;
      case protocol.ACTION_RESUME:
        this.parts.disks?.retry();
        this.setPaused(false);
        break;
      case protocol.ACTION_PREPARE_CHECKPOINT:
        this.parts.checkpoint?.prepare();
        break;
      case protocol.ACTION_CHECKPOINT:
        this.parts.checkpoint?.take(protocol.decodeJson(payload));
        break;
      case protocol.ACTION_STOP:
        this.end = { kind: 'stopped' };
        break;
      case protocol.ACTION_POWER_BUTTON:
        this.machine.pressPowerButton();
        break;
      case protocol.ACTION_RESET:
        this.guestEnded({ kind: 'reset', cause: 'the reset button' });
        break;
      case protocol.ACTION_GO_ON_WITH_RESET:
        if (this.heldReset === protocol.decodeNumber(payload)) this.goOnWithReset();
        break;
      case protocol.ACTION_BALLOON:
        this.machine.setBalloonTarget(protocol.decodeNumber(payload));
        break;
      case protocol.ACTION_HOST_TIME:
        this.machine.setHostTime(protocol.decodeSeconds(payload));
        break;
      case protocol.ACTION_GENERATION:
        this.machine.changeGeneration(payload.slice());
        break;
      case protocol.ACTION_REVERT:
        this.revert(protocol.decodeJson(payload));
        break;
      case protocol.ACTION_REVERT_DECIDED: // it could not be done in this world
        break;
      case protocol.ACTION_DROP_FROM_RAM:
        this.parts.checkpoint?.dropFromRam(protocol.decodeText(payload));
        break;
      case protocol.ACTION_MEDIUM:
        this.changeMedium(protocol.decodeJson(payload) as MediumOrder);
        break;
      case protocol.ACTION_SCREEN_CREDIT:
        this.screenCredit = true;
        break;
      case protocol.ACTION_SCREEN_WHOLE:
        this.screen.forget();
        this.screenStale = true;
        break;
      default:
        throw new InvariantError(`unknown action ${action}`);
    }
  }

  /** The machine stands still from when it could go back until the kernel has seen to the disks. Paused or not stays as it is; what was remembered of the machine's time no longer holds. */
  private revert(order: unknown): void {
    const { checkpoint, disks } = this.parts;
    const ready = checkpoint?.readyRevert(order) ?? 'This machine has no checkpoints.';
    if (typeof ready === 'string') {
      this.answerRevert({ kind: 'refused', reason: ready });
      return;
    }
    this.answerRevert({ kind: 'ready', way: ready.way });
    if (!this.isDecided()) {
      ready.drop();
      return;
    }
    disks?.dropSubmitted();
    ready.go();
    const { generation } = order as RevertOrder;
    if (generation !== undefined) this.machine.changeGeneration(generationBytes(generation));
    this.heldReset = undefined;
    this.restNs = 0;
    this.screenStale = true;
    this.beginStats();
    this.anchor();
    this.sendTrays();
    this.answerRevert({ kind: 'done' });
  }

  /** Waits for what the kernel says: whether the disks have gone back. That the VM is to be paused, or not, counts at once: what comes then may stand still, too, and is told the same. */
  private isDecided(): boolean {
    let decision: boolean | undefined;
    this.standWhile(
      () => decision === undefined,
      'The VM is going back to a checkpoint.',
      ({ kind, payload }) => {
        if (kind === protocol.ACTION_REVERT_DECIDED) decision = payload[0] === 1;
        else if (kind === protocol.ACTION_PAUSE || kind === protocol.ACTION_RESUME) this.apply({ action: kind, payload });
        else return false;
        return true;
      },
    );
    return decision!;
  }

  private answerRevert(answer: RevertAnswer): void {
    this.parts.outbox.post(protocol.EVENT_REVERT, protocol.encodeJson(answer));
  }

  private changeMedium({ opened, force }: MediumOrder): void {
    const { machine } = this;
    const { name } = opened;
    if (!force && machine.trays().some(({ disk, isLocked }) => disk === name && isLocked)) {
      machine.pressEject(name);
      this.answerMedium('locked');
      return;
    }
    machine.changeMedium(name, this.parts.disks!.changeMedium(opened));
    this.sendTrays();
    this.answerMedium('changed');
  }

  private answerMedium(outcome: MediumAnswer['outcome']): void {
    this.parts.outbox.post(protocol.EVENT_MEDIUM, protocol.encodeJson({ outcome } satisfies MediumAnswer));
  }

  private sendTrays(): void {
    const trays = JSON.stringify(this.machine.trays());
    if (trays === this.trays) return;
    this.trays = trays;
    this.parts.outbox.post(protocol.EVENT_TRAYS, protocol.encodeText(trays));
  }

  private sendScreen(): void {
    if (!this.screenCredit || !this.screenStale) return;
    const nowNs = this.parts.hostNowNs();
    if (nowNs - this.lastFrameNs < FRAME_INTERVAL_NS) return;
    this.lastFrameNs = nowNs;
    const screen = this.machine.screen();
    this.screenStale = screen === undefined;
    const frame = screen && this.screen.frame(screen);
    if (frame === undefined) return;
    this.screenCredit = false;
    this.parts.outbox.post(protocol.EVENT_SCREEN, frame);
  }

  private sendStats(): void {
    const nowNs = this.parts.hostNowNs();
    const elapsedNs = nowNs - this.statsSinceNs;
    if (elapsedNs < SECOND) return;
    const count = this.machine.instructionCount();
    const mips = ((count - this.statsSinceCount) * 1000) / elapsedNs;
    this.parts.outbox.post(
      protocol.EVENT_STATS,
      protocol.encodeStats({
        mips,
        load: Math.min(1, this.busyNs / elapsedNs),
        balloonedPages: this.machine.balloonedPages(),
        balloonTarget: this.machine.balloonTarget(),
      }),
    );
    this.beginStats();
  }

  private beginStats(): void {
    this.clockUnsure = true;
    this.statsSinceNs = this.parts.hostNowNs();
    this.statsSinceCount = this.machine.instructionCount();
    this.busyNs = 0;
  }

  private postState(): void {
    this.parts.outbox.post(protocol.EVENT_STATE, protocol.encodeState(this.paused, this.trouble));
  }

  /** The last screen and every byte of serial output go out before the end does. A kernel that takes no more is not waited for once it stops the world. */
  private finish(end: WorldEnd): void {
    const { outbox, bell } = this.parts;
    outbox.takeSerial();
    const screen = this.machine.screen();
    const frame = screen && this.screen.frame(screen);
    if (frame !== undefined) outbox.post(protocol.EVENT_SCREEN, frame);
    try {
      this.standWhile(
        () => !outbox.flush(),
        'The VM has ended.',
        () => true,
      );
    } catch (thrown) {
      if (thrown !== STOPPED) throw thrown;
    }
    outbox.finish(end, bell);
  }
}
