/**
 * A Machine small enough to reason about, for tests of the loop alone: its guest runs a script of steps, each an instruction. The real one
 * is tested by vcpu-worker.test.ts.
 */
import type { Drive } from '#engine/devices/drive.ts';
import type { Machine, MachineOutputs, SavedDevice, SliceEnd, TextScreen, TrayState } from '#engine/machine/machine.ts';

export type Step =
  | { readonly out: string }
  | { readonly end: SliceEnd }
  /** HLT until input arrives or, given a time, until that many nanoseconds later. */
  | { readonly halt: number | undefined }
  | { readonly draw: string }
  | { readonly nops: number }
  /** Halts until serial input arrives, sends it back, and does so for ever. */
  | { readonly echo: true }
  /** Opens or shuts the tray of its CD-ROM drive. */
  | { readonly tray: 'open' | 'shut' }
  | { readonly crash: string };

export class FakeMachine implements Machine {
  readonly ramBytes = 0;
  readonly memory = { read: () => {}, write: () => {} };
  readonly received: { count: number; bytes: number[] }[] = [];
  readonly scancodes: number[] = [];
  readonly advances: number[] = [];
  /** Bytes the UART takes until the guest has run again. */
  uartRoom = Infinity;
  private readonly unread: number[] = [];
  resets = 0;
  private askedPages = 0;
  powerButtons = 0;
  trayStates: TrayState[] = [];
  readonly discs: [disk: string, fingerprint: string | undefined][] = [];
  readonly ejectsPressed: string[] = [];
  private readonly outputs: MachineOutputs;
  private readonly steps: Step[];
  private at = 0;
  private nops = 0;
  private count = 0;
  private skewNs = 0;
  private deadlineNs: number | undefined;
  private halted = false;
  /** How often the picture is not to be had. */
  screensMissing = 0;
  private readonly cells = new Uint8Array(80 * 25 * 2);

  constructor(outputs: MachineOutputs, steps: Step[]) {
    this.outputs = outputs;
    this.steps = steps;
  }

  runSlice(budget: number): SliceEnd {
    for (let left = budget; left > 0;) {
      if (this.deadlineNs !== undefined && this.deadlineNs <= this.nowNs()) {
        this.deadlineNs = undefined;
        this.halted = false;
      }
      if (this.halted) return { kind: 'halted' };
      const step = this.steps[this.at];
      if (step === undefined) return { kind: 'halted-for-good' };
      if ('nops' in step) {
        const run = Math.min(left, step.nops - this.nops);
        this.count += run;
        this.nops += run;
        left -= run;
        if (this.nops < step.nops) continue;
        this.nops = 0;
      } else {
        this.count++;
        left--;
      }
      if ('crash' in step) throw new Error(step.crash);
      if ('echo' in step) {
        for (const byte of this.unread.splice(0)) this.outputs.serialOutput(0, byte);
        this.halted = true;
        continue;
      }
      this.at++;
      if ('out' in step) for (const byte of new TextEncoder().encode(step.out)) this.outputs.serialOutput(0, byte);
      if ('tray' in step) this.trayStates = [{ disk: 'disk0', isLocked: false, isOpen: step.tray === 'open' }];
      if ('draw' in step) this.cells.set(new TextEncoder().encode(step.draw));
      if ('end' in step) return step.end;
      if ('halt' in step) {
        this.halted = true;
        this.deadlineNs = step.halt === undefined ? undefined : this.nowNs() + step.halt;
      }
    }
    return { kind: 'budget' };
  }
  instructionCount() {
    return this.count;
  }
  userRuns() {
    return 0;
  }
  nowNs() {
    return this.count + this.skewNs;
  }
  takenOffNs() {
    return 0;
  }
  nextDeadlineNs() {
    return this.deadlineNs;
  }
  nextDeadlineWithin() {
    return this.deadlineNs;
  }
  advanceTimeNs(deltaNs: number) {
    this.advances.push(deltaNs);
    this.skewNs += deltaNs;
  }
  reset() {
    this.resets++;
  }
  serialInput(_index: 0 | 1, bytes: Uint8Array) {
    const taken = Math.min(bytes.length, this.uartRoom);
    if (taken > 0) {
      this.received.push({ count: this.count, bytes: [...bytes.subarray(0, taken)] });
      this.unread.push(...bytes.subarray(0, taken));
      this.halted = false;
    }
    return taken;
  }
  keyboardInput(scancodes: Uint8Array) {
    this.scancodes.push(...scancodes);
    this.halted = false;
  }
  pressPowerButton() {
    this.powerButtons++;
    this.halted = false;
  }
  /** What the machine was told of outside, and at which count. */
  readonly told: { readonly count: number; readonly hostTime?: number; readonly generation?: Uint8Array }[] = [];
  private hostSeconds = 0;
  setHostTime(unixSeconds: number) {
    this.told.push({ count: this.count, hostTime: unixSeconds });
    this.hostSeconds = unixSeconds - this.nowNs() / 1e9;
  }
  hostTime() {
    return this.hostSeconds + this.nowNs() / 1e9;
  }
  changeGeneration(guid: Uint8Array) {
    this.told.push({ count: this.count, generation: guid });
  }
  setBalloonTarget(pages: number) {
    this.askedPages = pages;
  }
  balloonTarget() {
    return this.askedPages;
  }
  balloonedPages() {
    return this.askedPages;
  }
  trays(): TrayState[] {
    return this.trayStates;
  }
  changeMedium(disk: string, medium: Drive | undefined) {
    this.discs.push([disk, medium?.fingerprint]);
  }
  pressEject(disk: string) {
    this.ejectsPressed.push(disk);
  }
  screen(): TextScreen | undefined {
    if (this.screensMissing-- > 0) return undefined;
    return { kind: 'text', columns: 80, rows: 25, cells: this.cells.slice(), cursor: -1 };
  }
  saveDevices(): SavedDevice[] {
    return [];
  }
  loadDevices() {}
  readyDevices() {
    return () => {};
  }
  endPending() {}
  loadFrom() {}
  stateHash() {
    return `${this.count}/${this.skewNs}/${JSON.stringify(this.received)}`;
  }
}
