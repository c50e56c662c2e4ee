/** A whole PC with a drive at every kind of controller, to which operations are applied one by one, as between two instructions of its guest. */
import { POOL_EXHAUSTED } from '#engine/cpu/cpu.ts';
import type { GuestMemory } from '#engine/devices/device.ts';
import type { Drive } from '#engine/devices/drive.ts';
import type { AttachedDrive, SavedDevice } from '#engine/machine/machine.ts';
import type { Pc } from '#engine/machine/pc.ts';
import { PAGE_SIZE } from '#engine/memory/layout.ts';
import { BenchPc } from '#test/support/bench-pc.ts';
import { TinyKernel } from '#test/support/tiny-kernel.ts';
import { type Board, DISCS } from './boards.ts';
import type { Coverage } from './coverage.ts';
import type { Place } from './emit.ts';
import { type DriveShape, FuzzDrive } from './fuzz-drive.ts';
import { inside, type PcInside, tap } from './inside.ts';
import { Meter } from './meter.ts';
import type { Operation } from './operation.ts';

export const RAM_BYTES = 4 << 20;
const FIRST_DISC = 1;

/** Between two operations. */
export interface SavedMachine {
  readonly devices: SavedDevice[];
  readonly memory: Uint8Array;
}

export class FuzzMachine {
  readonly pc: Pc;
  readonly inner: PcInside;
  readonly meter = new Meter();
  readonly drives: readonly FuzzDrive[];
  private readonly cdroms: readonly string[];
  /** All that can be put into each. */
  private readonly discs: readonly (readonly FuzzDrive[])[];
  private readonly inDrive: number[];
  private readonly memory: GuestMemory;

  constructor(board: Board, coverage: Coverage) {
    const late: GuestMemory = {
      read: (gpa, into) => this.memory.read(gpa, into),
      write: (gpa, bytes) => this.memory.write(gpa, bytes),
    };
    const drive = (shape: DriveShape) =>
      new FuzzDrive(late, shape, what => {
        throw new Error(what);
      });
    const disks = board.map(fitting => (fitting.media === 'disk' ? drive(fitting.shape) : undefined));
    this.cdroms = board.flatMap(fitting => (fitting.media === 'cdrom' ? [fitting.name] : []));
    this.discs = this.cdroms.map(name =>
      DISCS.map((sizeBytes, i) => drive({ name: `${name}-disc${i}`, sizeBytes, readOnly: true, fingerprint: `disc ${i}` })),
    );
    this.inDrive = this.cdroms.map(() => FIRST_DISC);
    this.drives = [...disks.flatMap(each => each ?? []), ...this.discs.flat()];
    const drives = board.map((fitting, i): AttachedDrive => {
      if (fitting.media === 'disk') return { interface: fitting.interface, media: 'disk', drive: disks[i]! };
      return {
        interface: fitting.interface,
        media: 'cdrom',
        name: fitting.name,
        serial: 'FUZZ-CD',
        drive: this.disc(this.cdroms.indexOf(fitting.name)),
      };
    });
    const { pc } = new BenchPc({ ramBytes: RAM_BYTES, balloon: true, rng: true, boot: KERNEL, drives });
    this.pc = pc;
    this.inner = inside(pc);
    this.memory = this.meter.watch(pc.memory);
    this.watchWork();
    coverage.watch(this);
  }

  private disc(drive: number): Drive | undefined {
    const disc = this.inDrive[drive]!;
    return disc === 0 ? undefined : this.discs[drive]![disc];
  }

  private watchWork() {
    const { meter, inner } = this;
    tap(inner, 'releasePages', (_first: number, count: number) => meter.count('released', count));
    for (const drive of this.drives) tap(drive, 'submit', () => meter.count('submitted'));
    for (const timer of inner.time.timers) tap(timer, 'onExpire', () => meter.count('fired'));
  }

  /** The windows of all functions, as firmware has placed them. */
  get places(): Place[] {
    return this.inner.pci.functions.flatMap(({ model, bars, configByte }, i) => {
      const [bar] = bars;
      if (!bar) return [];
      const byte = (at: number) => configByte.call(this.inner.pci.functions[i], bar.offset + at);
      return [{ slot: model.device, vendorId: model.vendorId, deviceId: model.deviceId, base: (byte(0) & 0xfc) | (byte(1) << 8) }];
    });
  }

  // --- operations ---------------------------------------------------------------------------------------------------

  /** What is due after it is done, too. Answers what the guest or the host read. */
  apply(operation: Operation): number {
    const { meter, inner } = this;
    meter.begin();
    const answer = this.withPages(() => this.perform(operation));
    inner.fireDue();
    const end = inner.pendingEnd;
    inner.pendingEnd = undefined;
    if (end?.kind === 'reset') this.reset();
    const passed = meter.end();
    if (passed !== undefined) throw new Error(`${passed}: ${meter.now[passed]} in one operation`);
    return answer;
  }

  /** Its boot loader finds pages. */
  private reset() {
    this.meter.pagesLeft = undefined;
    this.pc.reset();
  }

  /** An instruction that finds no page is executed again when there is one. */
  private withPages(act: () => number): number {
    try {
      return act();
    } catch (thrown) {
      if (thrown !== POOL_EXHAUSTED) throw thrown;
      this.meter.pagesLeft = undefined;
      return act();
    }
  }

  private perform(operation: Operation): number {
    const { pc, inner } = this;
    switch (operation.kind) {
      case 'out':
        inner.ports.out(operation.port, operation.size, operation.value);
        return 0;
      case 'in':
        return inner.ports.in(operation.port, operation.size);
      case 'store':
        inner.mmio.write(operation.gpa, operation.size, operation.value);
        return 0;
      case 'load':
        return inner.mmio.read(operation.gpa, operation.size);
      case 'ins':
      case 'outs':
        return this.string(operation);
      case 'memory':
        this.memory.write(operation.gpa, Uint8Array.from(operation.bytes));
        return 0;
      case 'acknowledge':
        return inner.pic.intr ? inner.pic.acknowledge() : -1;
      case 'advance':
        pc.advanceTimeNs(operation.ns);
        return 0;
      case 'complete':
        this.complete(operation);
        return 0;
      case 'pages':
        this.meter.pagesLeft = operation.left < 0 ? undefined : operation.left;
        return 0;
      case 'reload':
      case 'follow': // of a pair of machines (pair.ts)
        return 0;
      default:
        return this.hostDoes(operation);
    }
  }

  private hostDoes(
    operation: Extract<Operation, { kind: 'serial' | 'keys' | 'power-button' | 'balloon' | 'disc' | 'eject' | 'reset' }>,
  ): number {
    const { pc } = this;
    switch (operation.kind) {
      case 'serial':
        return pc.serialInput(operation.index, Uint8Array.from(operation.bytes));
      case 'keys':
        pc.keyboardInput(Uint8Array.from(operation.bytes));
        return 0;
      case 'power-button':
        pc.pressPowerButton();
        return 0;
      case 'balloon':
        pc.setBalloonTarget(operation.pages);
        return pc.balloonedPages();
      case 'disc':
        this.change(operation.drive % this.cdroms.length, operation.disc);
        return 0;
      case 'eject':
        pc.pressEject(this.cdroms[operation.drive % this.cdroms.length]!);
        return 0;
      case 'reset':
        this.reset();
        return 0;
    }
  }

  private string({ kind, port, size, count }: Extract<Operation, { kind: 'ins' | 'outs' }>): number {
    const { ports } = this.inner;
    let digest = 0;
    for (let i = 0; i < count; i++) {
      if (kind === 'ins') digest = Math.imul(digest ^ ports.in(port, size), 0x9e3779b1);
      else ports.out(port, size, (i * 0x01010101) >>> 0);
    }
    return digest;
  }

  private complete({ drive, index, fails }: Extract<Operation, { kind: 'complete' }>) {
    const busy = this.drives.filter(each => each.held.length > 0);
    const chosen = busy[drive % busy.length];
    chosen?.complete(index % chosen.held.length, fails);
  }

  // --- states -------------------------------------------------------------------------------------------------------

  /** Pages are there again, and what waited for them is done. */
  givePages() {
    this.meter.pagesLeft = undefined;
    this.inner.fireDue();
  }

  /** Every request ends well, and is told: a machine that can be compared with one that is loaded from it. */
  settle() {
    this.givePages();
    for (let turns = 0; this.drives.some(({ held }) => held.length > 0) || this.isTelling(); turns++) {
      if (turns > 100_000) throw new Error('the requests never end');
      this.meter.begin();
      for (const drive of this.drives) while (drive.held.length > 0) drive.complete(0, false);
      this.pc.advanceTimeNs(TURN);
    }
  }
  private isTelling() {
    return this.pc.saveDevices().some(({ state }) => isBusy(state));
  }

  save(): SavedMachine {
    const memory = new Uint8Array(RAM_BYTES);
    this.memory.read(0, memory);
    return { devices: structuredClone(this.pc.saveDevices()), memory };
  }

  /** As a checkpoint that is gone back to, whatever this machine was before. */
  load(saved: SavedMachine, from: FuzzMachine) {
    for (const [i, drive] of this.drives.entries()) drive.follow(from.drives[i]!);
    for (const [i, disc] of from.inDrive.entries()) if (this.inDrive[i] !== disc) this.change(i, disc);
    this.loadSaved(saved);
  }
  private loadSaved({ devices, memory }: SavedMachine) {
    this.meter.pagesLeft = undefined;
    this.inner.pendingEnd = undefined;
    for (let gpa = 0; gpa < RAM_BYTES; gpa += PAGE_SIZE) this.loadPage(gpa, memory.subarray(gpa, gpa + PAGE_SIZE));
    this.pc.loadDevices(devices);
  }
  /** As it was when it was made. */
  powerOn(saved: SavedMachine) {
    for (const drive of this.drives) {
      drive.held.length = 0;
      drive.digest = 0;
      drive.ended = 0;
    }
    for (const i of this.cdroms.keys()) this.change(i, FIRST_DISC);
    this.loadSaved(saved);
  }

  private change(drive: number, disc: number) {
    this.inDrive[drive] = disc;
    this.pc.changeMedium(this.cdroms[drive]!, this.disc(drive));
  }

  private readonly was = new Uint8Array(PAGE_SIZE);
  private loadPage(gpa: number, page: Uint8Array) {
    this.memory.read(gpa, this.was);
    if (Buffer.compare(this.was, page) !== 0) this.memory.write(gpa, page);
  }

  /** Of all that a guest or the host can come to know. */
  hash(): string {
    return `${this.pc.stateHash()} ${this.drives.map(({ digest, ended }) => `${digest}/${ended}`).join(' ')}`;
  }
}

const TURN = 1_000_000;
const KERNEL = { kind: 'multiboot', kernel: new TinyKernel().forever().image(), modules: [], commandLine: '' } as const;

/** A virtqueue's device with requests that are not told yet, or chains left for its next turn. */
function isBusy(state: unknown): boolean {
  const { transport } = state as { transport?: { started: unknown[]; notified: number } };
  return transport !== undefined && (transport.started.length > 0 || transport.notified !== 0);
}
