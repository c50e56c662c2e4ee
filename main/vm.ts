/**
 * One VM that this process owns: its bundle and, while it is not off, its world. Commands that change what it is (start, take, revert) run
 * one after the other; pulling the plug never waits.
 *
 *   off ─start▶ starting ─▶ running ◀─▶ paused      any ─end of world▶ off | crashed      running, paused ─revert▶ reverting ─▶ running, paused
 */
import { randomBytes } from 'node:crypto';
import { ConfigError } from '#engine/errors/errors.ts';
import { PAGE_SIZE } from '#engine/memory/layout.ts';
import type { DiskProgress } from '#worker/disk-protocol.ts';
import * as protocol from '#worker/protocol.ts';
import type { Stats, WorldEnd } from '#worker/protocol.ts';
import { storedFiles } from '#worker/stored-files.ts';
import { ifStillAsked } from './asker.ts';
import type { Bundle } from './bundle.ts';
import { takeSettings } from './checkpoint-settings.ts';
import { CheckpointTaker, type TakeOrder } from './checkpoint-taker.ts';
import { CdDrives, type MediumChange } from './cd-drives.ts';
import type { ConsoleHub } from './console-hub.ts';
import type {
  Checkpoint,
  CheckpointDetail,
  CheckpointMode,
  CheckpointProgress,
  CheckpointTrigger,
  Elimination,
  RepairReport,
  VmConfig,
  VmDetail,
  VmState,
  VmSummary,
} from './ipc/contract.ts';
import { chainsIn } from './disk-graph.ts';
import { chooseReplaced, Eliminator, usedBytes } from './elimination.ts';
import { PoweredOnClock } from './policies/powered-on-clock.ts';
import { thinnable } from './policies/retention.ts';
import { problem } from './problem.ts';
import { repairBundle } from './repair.ts';
import { notTidied, orItHasEnded, VmDisks } from './vm-disks.ts';
import { VmPassphrase } from './vm-passphrase.ts';
import { VmReverter } from './vm-revert.ts';
import { forgetLostRun, lostVm, readLostRun, RunRecord, type LostRun } from './run-record.ts';
import type { Marks } from './vm-state.ts';
import { launchWorld, unplug, type LaunchListener, type LaunchOptions } from './world-launch.ts';
import type { World } from './world.ts';
import type { WorldManager } from './world-manager.ts';

const MIB = 1024 * 1024;
/** Stats older than this say nothing about now: the guest idles. */
const STATS_LIFE_MS = 2500;
/** However fast a guest moves its trays: what they are is written down, and others want their turn. */
const TRAY_REST_MS = 100;

export interface VmListener {
  changed(): void;
  checkpointsChanged(): void;
  progress(progress: CheckpointProgress): void;
  /** The guest is about to reset the machine, and stands still until this settles. */
  resetting(): Promise<void>;
  /** One sentence for the user. */
  notice(text: string): void;
  diskProgress(progress: DiskProgress): void;
  ended(end: WorldEnd): void;
}

export interface StartOptions extends LaunchOptions {
  /** From the kernel, whatever checkpoint the VM stands on. */
  readonly cold?: boolean;
  /** Of encrypted checkpoints. */
  readonly passphrase?: string | undefined;
}

export class Vm {
  readonly bundle: Bundle;
  private readonly worlds: WorldManager;
  private readonly console: ConsoleHub;
  private readonly listener: VmListener;
  private readonly disks: VmDisks;
  private readonly drives: CdDrives;
  private readonly taker: CheckpointTaker;
  private readonly reverter: VmReverter;
  private world: World | undefined;
  private run: RunRecord | undefined;
  /** The last run, if nobody switched the VM off. */
  private lost: LostRun | undefined;
  /** On files outside the bundle, while the VM is not off. */
  private locks: DisposableStack | undefined;
  private state: VmState = 'off';
  private reason: string | undefined;
  private stats: (Stats & { at: number }) | undefined;
  private readonly clock: PoweredOnClock;
  private readonly eliminator: Eliminator;
  private readonly passphrase: VmPassphrase;
  private turn: Promise<unknown> = Promise.resolve();
  /** False: the guest has moved them since they were looked at. */
  private areTraysKnown = true;
  private trayRest: NodeJS.Timeout | undefined;

  /** `passphrase`: of encrypted checkpoints, where a start or a revert says none. */
  constructor(
    bundle: Bundle,
    worlds: WorldManager,
    console: ConsoleHub,
    listener: VmListener,
    passphrase: () => string | undefined = () => undefined,
  ) {
    this.bundle = bundle;
    this.worlds = worlds;
    this.console = console;
    this.listener = listener;
    this.lost = readLostRun(bundle.path);
    this.clock = new PoweredOnClock(bundle.poweredOnMs);
    this.eliminator = new Eliminator(bundle);
    this.passphrase = new VmPassphrase(bundle, passphrase);
    this.disks = new VmDisks(bundle, worlds.files.diskEntry, text => listener.notice(text));
    this.drives = new CdDrives(bundle, this.disks);
    this.taker = new CheckpointTaker(bundle, this.disks, text => listener.notice(text));
    this.reverter = new VmReverter(bundle, this.disks, this.passphrase, {
      world: () => this.world,
      isPaused: () => this.state === 'paused',
      show: state => this.setState(state),
      launch: (from, said) => this.launch(from, { startPaused: true, passphrase: said }),
      adopt: world => this.adopt(world, true),
      followTrays: () => this.followTrays(),
      tellDisks: world => this.tellDisks(world),
      notice: text => listener.notice(text),
    });
  }

  get busy(): boolean {
    return this.world !== undefined || this.state === 'starting' || this.state === 'reverting';
  }

  /** The guest gets cycles. */
  get isRunning(): boolean {
    return this.state === 'running';
  }

  get poweredOnMs(): number {
    return this.clock.ms;
  }

  get hasCrashed(): boolean {
    return this.state === 'crashed';
  }

  summary(): VmSummary {
    const { config, name, current } = this.bundle;
    const drives = this.drives.list();
    const { state, reason, killed } = this.standing();
    const fresh = this.stats && performance.now() - this.stats.at < STATS_LIFE_MS ? this.stats : { mips: 0, load: 0 };
    return {
      name,
      state,
      memoryMiB: config.memoryMiB,
      ownedElsewhere: false,
      ...(reason === undefined ? {} : { reason }),
      ...(killed === undefined ? {} : { killed }),
      ...(current === undefined ? {} : { current }),
      ...(this.world ? { mips: fresh.mips, load: fresh.load } : {}),
      ...(this.world && config.balloon ? balloonOf(config.memoryMiB, this.stats) : {}),
      ...(drives.length > 0 ? { drives } : {}),
      ...(this.world && config.shareMemory ? { savedMiB: (this.world.savedPages * PAGE_SIZE) / MIB } : {}),
    };
  }

  /** Of a VM that is off it stays known how it came to be that. */
  private standing(): Pick<VmSummary, 'state' | 'reason' | 'killed'> {
    if (this.lost === undefined || (this.state !== 'off' && this.state !== 'crashed')) return { state: this.state, reason: this.reason };
    const { catalog, current } = this.bundle;
    return lostVm(this.lost, current, current === undefined ? undefined : catalog.get(current));
  }

  detail(): VmDetail {
    const { config, path, catalog } = this.bundle;
    return {
      ...this.summary(),
      config,
      bundlePath: path,
      checkpoints: catalog.count(),
      chains: chainsIn(path, config.chainDepth),
    };
  }

  checkpoints(): Checkpoint[] {
    return this.bundle.catalog.list();
  }

  configure(config: VmConfig): void {
    if (this.busy) throw new ConfigError('VM_RUNNING', `${this.bundle.name} is running: stop it before its settings are changed.`);
    this.bundle.configure(config);
    this.listener.changed();
  }

  /** From the checkpoint it was reverted to, else from its kernel, else (it has none) from the checkpoint it stands on. */
  start(options: StartOptions = {}): Promise<void> {
    return this.inTurn(async () => {
      if (this.busy) throw new ConfigError('VM_RUNNING', `${this.bundle.name} is running already.`);
      const before = this.standing();
      if (before.killed) this.listener.notice(`${this.bundle.name} was not switched off the last time: ${before.reason}`);
      this.setState('starting');
      try {
        this.locks = this.disks.open();
        await this.begin(options.cold ? undefined : this.startingPoint(), options);
      } catch (error) {
        if (this.world) await unplug(this.world);
        this.locks?.dispose();
        this.setState('off');
        throw error;
      }
      this.listener.changed();
    });
  }

  /**
   * A guest with disks takes no step before they are the checkpoint's, and before it is written down that it has started: a next start that went back to the
   * checkpoint once more would lose what it has written by then.
   */
  private async begin(from: Checkpoint | undefined, options: StartOptions): Promise<void> {
    const { config, name, current, resume } = this.bundle;
    if (from === undefined && config.kernel === undefined) {
      throw new ConfigError(
        'NOTHING_TO_START',
        `${name} has neither a kernel nor a checkpoint to start from: give it a kernel in its settings or with \`cairn run --name ${name} --kernel FILE\`.`,
      );
    }
    if (from) this.disks.checkFits(from);
    const waits = this.disks.any && (from !== undefined || resume !== undefined);
    const startPaused = options.startPaused ?? false;
    const world = await this.launch(from, { ...options, startPaused: startPaused || waits });
    try {
      if (from) await world.disks?.request('adopt', { drop: false });
    } catch (error) {
      await unplug(world);
      throw error;
    }
    this.adopt(world, startPaused || waits);
    this.bundle.stand(current, undefined);
    if (this.world === world) {
      this.run = new RunRecord(this.bundle.path);
      this.lost = undefined;
    }
    if (waits && !startPaused) world.post(protocol.ACTION_RESUME);
    this.tellDisks(world);
  }

  /** Undefined: its kernel. */
  private startingPoint(): Checkpoint | undefined {
    const { catalog, config, current, resume } = this.bundle;
    if (resume !== undefined) return this.bundle.checkpoint(resume);
    const checkpoint = config.kernel === undefined && current !== undefined ? catalog.get(current) : undefined;
    return checkpoint?.running ? checkpoint : undefined;
  }

  /** The button asks the guest; the plug does not, and returns when the VM is off. */
  async stop(how: 'button' | 'plug'): Promise<void> {
    const world = this.running();
    if (how === 'button') {
      world.post(protocol.ACTION_POWER_BUTTON);
      return;
    }
    await unplug(world);
    if (this.world) await unplug(this.world); // a revert has put another in its place meanwhile
  }

  reset(): void {
    this.running().post(protocol.ACTION_RESET);
  }

  /** Asks the guest to make do with so much memory (METHOD § 139): what it gives back is not saved by checkpoints. */
  balloon(memoryMiB: number): void {
    const { config, name } = this.bundle;
    const world = this.running();
    if (!config.balloon)
      throw new ConfigError('NO_BALLOON', `${name} has no memory balloon: start it with \`cairn run --name ${name} --balloon\`.`);
    const givenBack = Math.max(0, config.memoryMiB - memoryMiB) * MIB;
    world.post(protocol.ACTION_BALLOON, protocol.encodeNumber(givenBack / PAGE_SIZE));
  }

  /** Another disc in a CD-ROM drive, or none. */
  changeMedium(change: MediumChange): Promise<void> {
    return this.inTurn(async () => {
      if (!this.areTraysKnown && this.world) this.followTrays();
      const unwritten = await this.drives.change(this.world, change);
      if (unwritten !== undefined) this.listener.notice(unwritten);
      this.listener.changed();
    });
  }

  async setPaused(paused: boolean): Promise<void> {
    const world = this.running();
    if ((this.state === 'paused') === paused) return;
    const changed = this.whenState(world, paused ? 'paused' : 'running');
    world.post(paused ? protocol.ACTION_PAUSE : protocol.ACTION_RESUME);
    await changed;
  }

  /** `mode`: of the disks' files, from this checkpoint on; undefined: as the VM is configured. */
  take(title: string, trigger: CheckpointTrigger = 'user', mode?: CheckpointMode): Promise<Checkpoint> {
    return this.inTurn(async () => {
      const { catalog, config, name, checkpointsPath } = this.bundle;
      const pending = this.world === undefined ? this.startingPoint() : undefined;
      if (pending !== undefined)
        throw new ConfigError(
          'REVERT_PENDING',
          `${name} is off and goes on from “${pending.title}” when it is started: that checkpoint holds all of it, and another one would hold nothing of its memory. Start ${name} first, or give that checkpoint another title. Nothing was changed.`,
        );
      if (mode !== undefined && mode !== config.checkpointMode) this.bundle.configure({ ...config, checkpointMode: mode });
      const order: TakeOrder = {
        id: newCheckpointId(),
        parent: this.bundle.current ?? null,
        vmName: name,
        title: title === '' ? `Checkpoint ${catalog.list().length + 1}` : title,
        takenAt: new Date().toISOString(),
        folder: checkpointsPath,
        trigger,
        poweredOnMs: this.clock.ms,
        ...(this.disks.any && { mode: this.bundle.config.checkpointMode }),
        ...takeSettings(config, this.passphrase.forTaking),
      };
      const intent = this.bundle.begin('take', { id: order.id, title: order.title });
      let taken: Checkpoint;
      try {
        taken = await this.taker.take(this.world, order, progress => this.listener.progress(progress));
      } finally {
        this.bundle.end(intent);
        this.tellUnwritten();
      }
      if (this.bundle.config.overwrite) await this.replace(taken);
      this.listener.changed();
      this.listener.checkpointsChanged();
      return taken;
    });
  }

  /** Overwrite mode (fig. 4C): the one before it is no longer wanted. It has been taken, whatever becomes of that one: what cannot be removed goes with the next one. */
  private async replace({ parent, id, title }: Checkpoint): Promise<void> {
    const { bundle } = this;
    const before = [...bundle.replaced, ...(parent === null ? [] : [parent])];
    const unwanted = chooseReplaced(bundle.catalog.list(), new Set(before), id);
    let left: readonly string[] = [];
    try {
      const doomed = unwanted.filter(each => storedFiles.exists(bundle.checkpointPath(each))); // one may have gone when that could not be written down
      if (doomed.length > 0) await this.eliminateNow(doomed);
    } catch (error) {
      left = unwanted;
      this.listener.notice(
        `The checkpoint “${title}” of ${bundle.name} was taken, but the one before it could not be removed, or not all of it; that goes with the next one: ${problem(error)}`,
      );
    }
    if (left.length > 0 || bundle.replaced.length > 0) bundle.rememberReplaced(left);
  }

  /** A VM that is off goes on from the checkpoint at its next start; one that runs does so at once, and its consoles stay. */
  revert(id: string, passphrase?: string): Promise<void> {
    return this.inTurn(async () => {
      const wasOff = this.world === undefined;
      await this.reverter.revert(this.bundle.checkpoint(id), passphrase);
      this.tellUnwritten();
      if (wasOff) {
        this.reason = undefined;
        this.forgetLost();
        this.setState('off');
      }
      this.listener.changed();
      this.listener.checkpointsChanged();
    });
  }

  repair(): Promise<RepairReport> {
    return this.inTurn(async () => {
      if (this.busy) throw new ConfigError('VM_RUNNING', `${this.bundle.name} is running: stop it before it is repaired.`);
      const report = await repairBundle(this.bundle);
      await this.collectDisks();
      this.listener.changed();
      this.listener.checkpointsChanged();
      return report;
    });
  }

  show(id: string): Promise<CheckpointDetail> {
    return this.inTurn(async () => this.eliminator.show(id));
  }

  /** Also while it runs: between two checkpoints. */
  eliminate(ids: readonly string[], how: { readonly children: boolean; readonly force: boolean }): Promise<Elimination> {
    return this.inTurn(async () => {
      const startsFrom = this.busy ? undefined : this.startingPoint()?.id;
      const doomed = this.eliminator.choose(ids, { ...how, startsFrom });
      const { keptBytes, clones } = this.eliminator.preview(doomed);
      const freedBytes = await this.eliminateNow(doomed);
      return { ids: doomed, freedBytes, keptBytes, clones };
    });
  }

  /** For a policy: what has become the user's, or has gone meanwhile, is left alone. */
  thin(ids: readonly string[]): Promise<void> {
    return this.inTurn(async () => {
      const left = new Set(thinnable(this.checkpoints()).map(({ id }) => id));
      const doomed = ids.filter(id => left.has(id));
      if (doomed.length > 0) await this.eliminateNow(doomed);
    });
  }

  /**
   * Disk layers that nobody needs then go at once when the VM is off, beside the guest's operations when it runs; where that fails they go later. Answers the bytes that are free.
   */
  private async eliminateNow(doomed: readonly string[]): Promise<number> {
    const before = usedBytes(this.bundle);
    try {
      await this.eliminator.eliminate(doomed, this.world);
    } finally {
      const gone = doomed.filter(id => this.bundle.catalog.get(id) === undefined);
      for (const id of gone) this.world?.post(protocol.ACTION_DROP_FROM_RAM, protocol.encodeText(id));
      if (gone.length > 0) await this.tidyDisks();
      this.tellUnwritten();
      this.listener.changed();
      this.listener.checkpointsChanged();
    }
    return Math.max(0, before - usedBytes(this.bundle));
  }

  private async tidyDisks(): Promise<void> {
    if (this.world) this.tellDisks(this.world);
    else await this.collectDisks().catch((error: unknown) => this.listener.notice(notTidied(this.bundle.name, error)));
  }

  private tellUnwritten(): void {
    const sentence = this.bundle.tellUnwritten();
    if (sentence !== undefined) this.listener.notice(sentence);
  }

  /** Of a VM that is off: its disks' files become what is needed and no more. */
  private async collectDisks(): Promise<void> {
    await this.disks.whileOff(async session => {
      await this.disks.tell(session);
      await session.request('collected', {});
    });
  }

  /** The disk files of a checkpoint stay as they are while `copy` makes another VM of them. Throws ConfigError when the checkpoint holds other disks than the VM has. */
  async lend<T>(id: string, copy: () => Promise<T>): Promise<T> {
    const lent = await this.inTurn(async () => {
      const checkpoint = this.bundle.checkpoint(id);
      this.disks.checkFits(checkpoint);
      const stack = this.disks.lend(checkpoint.disks);
      if (this.world?.disks) await this.disks.tell(this.world.disks).catch(orItHasEnded(this.world));
      return stack;
    });
    try {
      return await copy();
    } finally {
      lent.dispose();
      if (this.world) this.tellDisks(this.world);
    }
  }

  /** One that a policy took and that the user gives a title or a note is the user's from then on: it is kept. */
  mark(id: string, said: Marks): Checkpoint {
    const isAutomatic = this.bundle.checkpoint(id).trigger !== 'user';
    const marked = this.bundle.mark(id, isAutomatic && said.pinned === undefined ? { ...said, pinned: true } : said);
    this.listener.checkpointsChanged();
    return marked;
  }

  /** Ends the world, if any, and gives the bundle back. */
  async close(): Promise<void> {
    if (this.world) await unplug(this.world);
    await this.turn;
    if (this.world) await unplug(this.world); // it was starting
    this.bundle.close();
  }

  /** The collector begins, or goes on, with what is not needed. */
  private tellDisks(world: World): void {
    const tell = world.disks && this.disks.tell(world.disks).catch(orItHasEnded(world));
    tell?.catch((error: unknown) => this.listener.notice(notTidied(this.bundle.name, error)));
  }

  /** A world that has come as far as its first slice. */
  private launch(from: Checkpoint | undefined, options: StartOptions): Promise<World> {
    const passphrase = this.passphrase.unlock(options.passphrase, from);
    if (!this.areTraysKnown && this.world) this.followTrays();
    this.drives.shutTrays();
    const parts = { bundle: this.bundle, worlds: this.worlds, disks: this.disks.specs(from?.disks), from, options, passphrase };
    return launchWorld(parts, world => this.follow(() => world() !== undefined && this.world === world()));
  }

  /** What a world of this VM is listened to by; one that is not adopted (yet, or any more) has little to say. */
  private follow(isMine: () => boolean): LaunchListener {
    return {
      serialOutput: (channel, bytes) => this.console.serialOutput(channel, bytes),
      screen: payload => {
        if (isMine()) this.console.screenFrame(payload);
      },
      state: (paused, reason) => {
        if (!isMine() || this.state === 'reverting') return;
        this.reason = reason;
        this.setState(paused ? 'paused' : 'running');
        if (reason !== undefined) this.listener.notice(`${this.bundle.name} is paused: ${reason} Resume it then, and nothing is lost.`);
      },
      // Of one that is not adopted yet nobody would want anything kept.
      resetting: () => (isMine() ? this.listener.resetting() : Promise.resolve()),
      stats: stats => {
        if (!isMine()) return;
        this.stats = { ...stats, at: performance.now() };
        this.listener.changed();
      },
      trays: () => {
        if (isMine()) this.traysMoved();
      },
      notice: text => this.listener.notice(text),
      diskProgress: progress => this.listener.diskProgress(progress),
      ended: end => {
        if (isMine()) this.worldEnded(end);
      },
    };
  }

  private traysMoved(): void {
    this.areTraysKnown = false;
    if (this.trayRest !== undefined) return;
    this.followTrays();
    this.trayRest = setTimeout(() => {
      this.trayRest = undefined;
      if (!this.areTraysKnown && this.world) this.traysMoved();
    }, TRAY_REST_MS).unref();
  }

  private followTrays(): void {
    this.areTraysKnown = true;
    try {
      this.drives.follow(this.world!.trays);
    } catch (error) {
      this.listener.notice(`Which discs ${this.bundle.name} has is not noted: ${problem(error)}`); // the host's disk may be full
    }
    this.listener.changed();
  }

  private adopt(world: World, paused: boolean): void {
    this.world = world;
    this.followTrays();
    this.reason = undefined;
    this.stats = undefined;
    this.console.setSource({
      serialInput: (channel, bytes) => world.sendSerial(channel, bytes),
      scancodes: bytes => world.post(protocol.ACTION_SCANCODES, bytes),
      screenCredit: whole => {
        if (whole) world.post(protocol.ACTION_SCREEN_WHOLE);
        world.post(protocol.ACTION_SCREEN_CREDIT);
      },
    });
    this.setState(paused ? 'paused' : 'running');
    // It may have ended before it was adopted.
    void world.ended.then(end => {
      if (this.world === world) this.worldEnded(end);
    });
  }

  private worldEnded(end: WorldEnd): void {
    if (!this.areTraysKnown) this.followTrays();
    this.world = undefined;
    this.passphrase.forget();
    this.drives.ended();
    this.locks?.dispose();
    this.console.setSource(undefined);
    this.clock.run(false);
    this.bundle.setPoweredOn(this.clock.ms);
    this.reason = whyItEnded(end, this.bundle.config.noReboot);
    if (end.kind === 'crashed') this.run?.crashed(end.reason);
    else this.run?.end();
    this.lost = end.kind === 'crashed' ? readLostRun(this.bundle.path) : undefined;
    this.run = undefined;
    this.setState(end.kind === 'crashed' ? 'crashed' : 'off');
    this.listener.ended(end);
  }

  private forgetLost(): void {
    this.lost = undefined;
    try {
      forgetLostRun(this.bundle.path);
    } catch (error) {
      this.listener.notice(`That ${this.bundle.name} was not switched off the last time is still noted: ${problem(error)}`);
    }
  }

  private running(): World {
    if (this.world === undefined) throw new ConfigError('VM_OFF', `${this.bundle.name} is not running: start it first.`);
    return this.world;
  }

  private async whenState(world: World, state: VmState): Promise<void> {
    const reached = new Promise<void>(resolve => {
      this.stateWaiters.push({ state, resolve });
    });
    await Promise.race([reached, world.ended]);
  }
  private stateWaiters: { state: VmState; resolve: () => void }[] = [];

  private setState(state: VmState): void {
    this.state = state;
    this.clock.run(state === 'running');
    for (const waiter of this.stateWaiters) if (waiter.state === state) waiter.resolve();
    this.stateWaiters = this.stateWaiters.filter(waiter => waiter.state !== state);
    this.listener.changed();
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const begin = ifStillAsked(work);
    const result = this.turn.then(begin, begin);
    this.turn = result.catch(() => {});
    return result;
  }
}

function balloonOf(memoryMiB: number, stats: Stats | undefined): Pick<VmSummary, 'balloonedMiB' | 'balloonMiB'> {
  const mib = (pages: number) => (pages * PAGE_SIZE) / MIB;
  return { balloonedMiB: mib(stats?.balloonedPages ?? 0), balloonMiB: memoryMiB - mib(stats?.balloonTarget ?? 0) };
}

function whyItEnded(end: WorldEnd, noReboot: boolean): string | undefined {
  if (end.kind === 'crashed') return `it crashed: ${end.reason}`;
  if (end.kind === 'reset' && !noReboot) return 'the guest reset the machine, and its kernel file has gone';
  return undefined;
}

/** 16 lower-case letters and digits; sorts by time of making. */
export function newCheckpointId(): string {
  return (
    Date.now().toString(36).padStart(9, '0') +
    BigInt(`0x${randomBytes(5).toString('hex')}`)
      .toString(36)
      .padStart(8, '0')
      .slice(-7)
  );
}
