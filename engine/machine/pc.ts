/**
 * The PC: an i440FX/PIIX-class machine on one screen. What a guest may know about it is in this table and in memory-map.ts.
 *
 *   ports                     device                          IRQ
 *   00-0F C0-DE 80-8F         DMA, page registers             –
 *   20-21 A0-A1 4D0-4D1       interrupt controllers           (2 cascade)
 *   40-43                     interval timer                  0
 *   60 64                     keyboard controller             1, 12 (no mouse)
 *   61                        speaker gate, refresh           –
 *   70-71                     clock and CMOS RAM              8
 *   92                        A20 gate, fast reset            –
 *   B2                        SMI command: ACPI on/off        –
 *   F0                        coprocessor error               13
 *   F4                        debug exit, when asked for      –
 *   170-177 376 1F0-1F7 3F6   IDE, when there are IDE drives  15, 14
 *   2F8-2FF                   serial port 2                   3
 *   3B4-3B5 3BA 3C0-3CF 3D4-3D5 3DA   VGA                     –
 *   3F8-3FF                   serial port 1                   4
 *   600-60F                   ACPI power management           9
 *   CF8-CFF                   PCI configuration; CF9 reset    –
 *   C000-FFFF                 I/O BARs, as firmware places them (pci-firmware.ts)
 *
 *   PCI slot                  function                        IRQ (PIRQ)
 *   00.0                      host bridge                     –
 *   01.0 01.3                 ISA bridge, power management    –, 9
 *   01.1                      IDE, when there are IDE drives  –, 14 and 15
 *   02.0                      virtio entropy device           10 (C)
 *   03.0                      virtio memory balloon           11 (D)
 *   04.0                      virtio SCSI host, when there are SCSI drives   10
 *   05.0-1F.0                 virtio block devices            10 or 11 (A-D by slot)
 *
 *   memory                    device                          IRQ
 *   FED0_0000-FED0_03FF       event timers                    0, 8 in place of their owners; 5, 10, 11
 */
import * as block from '../cpu/block.ts';
import { STOP_HALT, STOP_SHUTDOWN, type CoreExports } from '../cpu/core-exports.ts';
import { Cpu, POOL_EXHAUSTED } from '../cpu/cpu.ts';
import { AcpiPm, AcpiPmState, EVENTS_SINCE } from '../devices/acpi-pm.ts';
import { CoprocessorError, CoprocessorErrorState } from '../devices/coprocessor-error.ts';
import { connectDebugExit } from '../devices/debug-exit.ts';
import type { AccessSize, Device, GuestMemory, Timers } from '../devices/device.ts';
import { Dma, DmaState } from '../devices/dma.ts';
import { Hpet, HPET_BASE, HPET_BYTES, HpetState } from '../devices/hpet.ts';
import { KeyboardController, KeyboardControllerState } from '../devices/keyboard-controller.ts';
import { PM_BASE } from '../devices/pci-chipset.ts';
import { Pci } from '../devices/pci.ts';
import { PicPair, PicState } from '../devices/pic.ts';
import { Pit, PitState } from '../devices/pit.ts';
import { Port61, Port61State } from '../devices/port-61.ts';
import { Port92, Port92State } from '../devices/port-92.ts';
import { ReplacedLine } from '../devices/replaced-line.ts';
import { Rtc, RtcState } from '../devices/rtc.ts';
import { Uart, UartState } from '../devices/uart.ts';
import { VmGeneration, VmGenerationState } from '../devices/vm-generation.ts';
import { Vga, VgaState } from '../devices/vga.ts';
import type { Drive } from '../devices/drive.ts';
import type { VirtioBalloon } from '../devices/virtio/balloon.ts';
import type { VirtioRng } from '../devices/virtio/rng.ts';
import { InvariantError } from '../errors/errors.ts';
import { CPU_BLOCK, PAGE_SIZE, POOL_BASE } from '../memory/layout.ts';
import { GENERATION_EVENT } from './acpi-tables.ts';
import { bootMachine, cmosMemorySize } from './boot.ts';
import type { Machine, MachineConfig, MachineOutputs, SavedDevice, SliceEnd, TextScreen, TrayState } from './machine.ts';
import { checkRamSize, GENERATION_ID, ramRanges } from './memory-map.ts';
import { MmioBus } from './mmio-bus.ts';
import { type CdromDrive, pciDevices, RNG_SLOT } from './pci-devices.ts';
import { assignPci } from './pci-firmware.ts';
import { IoPorts } from './port-bus.ts';
import { Ram } from './ram.ts';
import { CpuState, hashMachine, readyAll, type StatefulDevice } from './saved-machine.ts';
import { ClockState, VirtualTime } from './virtual-time.ts';

const A20_ON = 0xffffffff;
const A20_OFF = 0xffefffff;
const INTERRUPT_FLAG = 1 << 9;
/**
 * After so many timers fired, pages released and accesses of bus masters a slice ends: whoever waits for the vcpu thread waits for no guest that has its devices
 * do much for each instruction.
 */
const SLICE_WORK = 8192;
/** The core counts a run's instructions in 32 bits. */
/** Time that passes at once, at most: a month. */
const LONGEST_LEAP_NS = 30 * 86_400 * 1e9;
const MAX_STEP = 2 ** 31 - 1;

export class Pc implements Machine {
  readonly memory: GuestMemory;
  readonly ramBytes: number;
  private readonly config: MachineConfig;
  private readonly wasmMemory: WebAssembly.Memory;
  private readonly cpu: Cpu;
  private readonly block: DataView;
  private readonly ports = new IoPorts();
  private readonly mmio = new MmioBus();
  private readonly time: VirtualTime;
  private readonly pic: PicPair;
  private readonly coprocessor: CoprocessorError;
  private readonly keyboard: KeyboardController;
  private readonly serial: readonly [Uart, Uart];
  private readonly rtc: Rtc;
  private readonly acpi: AcpiPm;
  private readonly pci: Pci;
  private readonly vga: Vga;
  private readonly generation: VmGeneration;
  private readonly rng: VirtioRng;
  private readonly balloon: VirtioBalloon | undefined;
  private readonly cdroms: readonly CdromDrive[];
  /** In the order in which they are loaded: the clock first, and the interrupt controllers last, after every line is up. */
  private readonly devices: readonly StatefulDevice[];
  private unloaded: { load(gppn: number): void } | undefined;
  /** Set inside a handler; ends the slice at the next boundary. */
  private pendingEnd: SliceEnd | undefined;
  private sliceBroken = false;
  /** Of the slice under way. */
  private work = 0;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, config: MachineConfig, outputs: MachineOutputs) {
    checkRamSize(config.ramBytes);
    this.config = config;
    this.ramBytes = config.ramBytes;
    this.wasmMemory = memory;
    this.block = new DataView(memory.buffer, CPU_BLOCK);
    this.cpu = new Cpu(module, memory, {
      portIn: (port, size) => this.ports.in(port, size as AccessSize),
      portOut: (port, size, value) => this.ports.out(port, size as AccessSize, value),
      mmioRead: (gpa, size) => this.mmio.read(gpa >>> 0, size as AccessSize),
      mmioWrite: (gpa, size, value) => this.mmio.write(gpa >>> 0, size as AccessSize, value),
      acknowledgeInterrupt: () => this.pic.acknowledge(),
      fpuError: () => this.coprocessor.signal(),
      loadPage: gppn => this.loadPage(gppn),
      poolExhausted: () => this.end({ kind: 'pool-exhausted' }),
    });
    const core = this.cpu.exports;
    core.init(config.ramBytes / PAGE_SIZE, Math.floor(memory.buffer.byteLength / PAGE_SIZE) - POOL_BASE / PAGE_SIZE);
    for (const [gppn, count] of ramRanges(config.ramBytes)) core.mapRam(gppn, count);
    this.memory = new Ram(memory, core);

    const { ports } = this;
    const time = (this.time = new VirtualTime(
      () => core.instructionCount(),
      () => core.requestExit(),
      () => this.worked(1),
    ));
    const reset = (cause: string) => this.end({ kind: 'reset', cause });
    const pic = (this.pic = new PicPair(ports, level => this.setIntr(level)));
    const coprocessor = (this.coprocessor = new CoprocessorError(ports, {
      irq13: pic.line(13),
      ignoreErrors: () => this.ignoreFpuErrors(),
    }));
    const irq0 = new ReplacedLine(pic.line(0));
    const irq8 = new ReplacedLine(pic.line(8));
    const hpet = new Hpet(time, { irq0, irq8, line: irq => pic.line(irq) });
    this.mmio.add({
      first: HPET_BASE,
      last: HPET_BASE + HPET_BYTES - 1,
      read: (gpa, size) => hpet.read(gpa, size),
      write: (gpa, size, value) => hpet.write(gpa, size, value),
    });
    const pit = new Pit(ports, time, irq0.original);
    const port61 = new Port61(ports, time, pit);
    const rtc = (this.rtc = new Rtc(ports, time, irq8.original, config.rtcStartSeconds));
    const port92 = new Port92(ports, { onA20: on => this.setA20(on), requestReset: () => reset('port 92h') });
    const keyboard = (this.keyboard = new KeyboardController(ports, {
      irq1: pic.line(1),
      irq12: pic.line(12),
      setA20: on => port92.setA20(on),
      a20: () => port92.a20,
      requestReset: () => reset('keyboard controller'),
    }));
    const com1 = new Uart(ports, 0x3f8, time, pic.line(4), byte => outputs.serialOutput(0, byte));
    const com2 = new Uart(ports, 0x2f8, time, pic.line(3), byte => outputs.serialOutput(1, byte));
    this.serial = [com1, com2];
    const vga = (this.vga = new Vga(ports, time));
    const pci = (this.pci = new Pci({ ports, memory: this.mmio, line: irq => pic.line(irq), requestReset: () => reset('port CF9h') }));
    const acpi = (this.acpi = new AcpiPm(ports, PM_BASE, time, pic.line(9), () => this.end({ kind: 'power-off' })));
    const dma = new Dma(ports);
    const releasePages = (first: number, count: number) => this.releasePages(first, count);
    const generation = (this.generation = new VmGeneration(
      { memory: this.memory, time, address: GENERATION_ID, notify: () => acpi.raiseEvent(GENERATION_EVENT) },
      config.generation,
    ));
    const { random } = config;
    const plugged = pciDevices(
      { bus: pci, ports, memory: this.busMemory(), time, line: irq => pic.line(irq), releasePages, random },
      config,
    );
    this.rng = plugged.rng;
    this.balloon = plugged.balloon;
    this.cdroms = plugged.cdroms;
    if (config.debugExit) connectDebugExit(ports, code => this.end({ kind: 'debug-exit', code }));

    const stateful = (name: string, definition: StatefulDevice['definition'], device: Device) => ({ name, definition, device });
    this.devices = [
      stateful('clock', ClockState, time),
      stateful('cpu', CpuState, this.cpuDevice()),
      stateful('port-92', Port92State, port92),
      stateful('coprocessor-error', CoprocessorErrorState, coprocessor),
      stateful('hpet', HpetState, hpet),
      stateful('pit', PitState, pit),
      stateful('port-61', Port61State, port61),
      stateful('rtc', RtcState, rtc),
      stateful('keyboard', KeyboardControllerState, keyboard),
      stateful('com1', UartState, com1),
      stateful('com2', UartState, com2),
      stateful('vga', VgaState, vga),
      stateful('pci', pci.definition, pci),
      ...plugged.devices,
      stateful('acpi-pm', AcpiPmState, acpi),
      { ...stateful('vm-generation', VmGenerationState, generation), optional: generationOf(generation) },
      stateful('dma', DmaState, dma),
      stateful('pic', PicState, pic),
    ];
    cmosMemorySize(rtc, config.ramBytes);
    if (config.boot.kind !== 'none' && config.filledLater !== true) this.reset();
  }

  /** Memory as bus masters reach it. */
  private busMemory(): GuestMemory {
    return {
      read: (gpa, into) => {
        this.worked(1);
        this.memory.read(gpa, into);
      },
      write: (gpa, bytes) => {
        this.worked(1);
        this.memory.write(gpa, bytes);
      },
    };
  }

  private releasePages(first: number, count: number) {
    this.worked(count);
    for (let gppn = first; gppn < first + count; gppn++) this.core.clearPage(gppn);
  }

  private loadPage(gppn: number) {
    if (this.unloaded === undefined) throw new InvariantError(`nobody loads the page ${gppn}`);
    this.unloaded.load(gppn);
  }

  // --- running ------------------------------------------------------------------------------------------------------

  runSlice(budget: number): SliceEnd {
    const { cpu, time } = this;
    const endCount = cpu.exports.instructionCount() + budget;
    this.work = 0;
    for (;;) {
      this.fireDue();
      if (this.pendingEnd) return this.takeEnd();
      if (this.sliceBroken) {
        this.sliceBroken = false;
        return { kind: 'budget' };
      }
      const remaining = endCount - cpu.exports.instructionCount();
      if (remaining <= 0) return { kind: 'budget' };
      const nowNs = time.nowNs();
      const step = Math.min(remaining, (time.nextDeadlineNs() ?? Infinity) - nowNs, time.untilEraNs, MAX_STEP);
      time.sliceEndNs = nowNs + step;
      const stop = cpu.run(step);
      time.sliceEndNs = -Infinity;
      if (stop === STOP_SHUTDOWN) return { kind: 'reset', cause: 'triple fault' };
      if (stop === STOP_HALT && !this.pendingEnd) {
        this.fireDue();
        if (!this.pendingEnd && !this.wakes()) return { kind: this.interruptible() ? 'halted' : 'halted-for-good' };
      }
    }
  }

  /** A timer that found no page for what it writes to guest memory stays due; the slice ends for it. */
  private fireDue() {
    try {
      this.time.fireDue();
    } catch (thrown) {
      if (thrown !== POOL_EXHAUSTED) throw thrown;
    }
  }

  private interruptible() {
    return (this.block.getUint32(block.FLAGS, true) & INTERRUPT_FLAG) !== 0;
  }
  private wakes() {
    if (this.block.getUint32(block.NMI_PENDING, true) !== 0) return true;
    return this.interruptible() && this.block.getUint32(block.INTR, true) !== 0;
  }

  private end(end: SliceEnd) {
    this.pendingEnd ??= end;
    this.cpu.exports.requestExit();
  }
  private takeEnd(): SliceEnd {
    const end = this.pendingEnd!;
    this.pendingEnd = undefined;
    return end;
  }

  /** The slice ends before the next instruction: something outside the machine is due. */
  breakSlice() {
    if (this.sliceBroken) return;
    this.sliceBroken = true;
    this.cpu.exports.requestExit();
  }
  private worked(count: number) {
    this.work += count;
    if (this.work > SLICE_WORK) this.breakSlice();
  }

  private setIntr(level: boolean) {
    this.block.setUint32(block.INTR, level ? 1 : 0, true);
    // Inside a run, the boundary after this instruction is where the CPU looks at the line.
    if (level && this.time.sliceEndNs >= 0) this.cpu.exports.requestExit();
  }

  /** IGNNE# answers FERR# only. */
  private ignoreFpuErrors() {
    if (this.cpu.exports.ferr()) this.block.setUint32(block.FPU_IGNNE, 1, true);
  }

  private setA20(enabled: boolean) {
    this.block.setUint32(block.A20_MASK, enabled ? A20_ON : A20_OFF, true);
    this.cpu.exports.flushTlb();
  }

  /** The core, for the checkpoint software: freezing, thawing and filling its memory. */
  get core(): CoreExports {
    return this.cpu.exports;
  }

  /** Timers for what is outside the machine and must come at exact virtual times. */
  get timers(): Timers {
    return this.time;
  }

  instructionCount() {
    return this.cpu.exports.instructionCount();
  }
  userRuns() {
    return this.cpu.exports.userRuns();
  }
  nowNs() {
    return this.time.nowNs();
  }
  takenOffNs() {
    return this.time.takenOffNs;
  }
  nextDeadlineNs() {
    return this.time.nextDeadlineNs();
  }
  nextDeadlineWithin(patienceNs: number) {
    return this.time.nextDeadlineWithin(patienceNs);
  }
  advanceTimeNs(deltaNs: number) {
    let left = Math.max(0, Math.round(deltaNs));
    do {
      const step = Math.min(left, LONGEST_LEAP_NS);
      this.time.advance(step);
      this.block.setBigUint64(block.TSC_OFFSET, this.block.getBigUint64(block.TSC_OFFSET, true) + BigInt(step), true);
      this.fireDue();
      left -= step;
    } while (left > 0);
  }

  reset() {
    this.pendingEnd = undefined;
    this.cpu.exports.resetCpu();
    for (const { device } of this.devices) device.reset();
    this.pci.plug(RNG_SLOT, this.config.rng);
    assignPci(this.pci, this.ports);
    this.block.setUint32(block.A20_MASK, A20_ON, true);
    bootMachine(this.wasmMemory, this.memory, this.ramBytes, this.config.boot);
    this.generation.place();
    this.cpu.exports.resetDerived();
  }

  // --- the host's side ------------------------------------------------------------------------------------------------

  serialInput(index: 0 | 1, bytes: Uint8Array) {
    return this.serial[index].receive(bytes);
  }
  keyboardInput(scancodes: Uint8Array) {
    this.keyboard.type(scancodes);
  }
  pressPowerButton() {
    this.acpi.pressPowerButton();
  }
  setHostTime(unixSeconds: number) {
    this.rtc.setHostTime(unixSeconds);
  }
  hostTime() {
    return this.rtc.hostTime();
  }
  changeGeneration(guid: Uint8Array) {
    this.generation.change(guid);
    this.rng.drawAgain();
  }
  setBalloonTarget(pages: number) {
    this.balloon?.setTarget(Math.min(Math.max(0, pages), this.ramBytes / PAGE_SIZE));
  }
  balloonTarget() {
    return this.balloon?.targetPages ?? 0;
  }
  balloonedPages() {
    return this.balloon?.inflatedPages ?? 0;
  }
  trays(): TrayState[] {
    return this.cdroms.map(({ disk, unit }) => ({ disk, isLocked: unit.isLocked, isOpen: unit.isOpen }));
  }
  changeMedium(disk: string, medium: Drive | undefined) {
    this.cdrom(disk).insert(medium);
  }
  pressEject(disk: string) {
    this.cdrom(disk).unit.pressEject();
  }
  private cdrom(disk: string): CdromDrive {
    const found = this.cdroms.find(cdrom => cdrom.disk === disk);
    if (found === undefined) throw new InvariantError(`${disk} is no CD-ROM drive`);
    return found;
  }
  screen(): TextScreen | undefined {
    try {
      return this.vga.screen(this.memory);
    } catch (thrown) {
      if (thrown !== POOL_EXHAUSTED) throw thrown;
      return undefined;
    }
  }

  // --- state --------------------------------------------------------------------------------------------------------

  saveDevices(): SavedDevice[] {
    const present = this.devices.filter(({ isThere }) => isThere?.() ?? true);
    return present.map(({ name, definition, device }) => ({ name, version: definition.version, state: device.saveState() }));
  }

  loadDevices(saved: readonly SavedDevice[]) {
    this.readyDevices(saved)();
  }

  readyDevices(saved: readonly SavedDevice[]) {
    const load = readyAll(this.devices, saved);
    return () => {
      load();
      this.pendingEnd = undefined;
      this.cpu.exports.resetDerived();
    };
  }

  endPending() {
    for (const { device } of this.devices) device.restored?.();
  }

  loadFrom(pages: { load(gppn: number): void }) {
    this.unloaded = pages;
  }

  stateHash() {
    return hashMachine(this.saveDevices(), this.wasmMemory, this.cpu.exports, ramRanges(this.ramBytes));
  }

  /** The CPU block is its own saved form. */
  private cpuDevice(): Device {
    const bytes = new Uint8Array(this.wasmMemory.buffer, CPU_BLOCK, PAGE_SIZE);
    return {
      reset: () => {},
      saveState: () => ({ block: bytes.slice() }),
      loadState: raw => bytes.set(CpuState.parse(raw).block),
    };
  }
}

/** It came with the event that tells of it. */
const generationOf = (generation: VmGeneration): NonNullable<StatefulDevice['optional']> => ({
  isIn: saved => (saved.get('acpi-pm')?.version ?? 0) >= EVENTS_SINCE,
  loadNothing: () => generation.loadNothing(),
});
