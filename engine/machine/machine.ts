/** What a world (native-free-worker) and the checkpoint software see of a machine. pc.ts implements it. */
import type { GuestMemory } from '../devices/device.ts';
import type { Drive } from '../devices/drive.ts';
import type { RandomSource } from '../devices/virtio/rng.ts';

/** One device's state as it goes into a checkpoint: CBOR-able plain data under a schema name and version. */
export interface SavedDevice {
  readonly name: string;
  readonly version: number;
  readonly state: unknown;
}

/** Why a slice ended before its budget. */
export type SliceEnd =
  | { readonly kind: 'budget' }
  /** The guest is halted; wake it at `nextDeadlineNs()` or on input. */
  | { readonly kind: 'halted' }
  /** HLT with interrupts off: nothing can wake this guest but a reset. */
  | { readonly kind: 'halted-for-good' }
  | { readonly kind: 'power-off' }
  /** Port 92h, 0xCF9, keyboard controller, ACPI reset register or triple fault. */
  | { readonly kind: 'reset'; readonly cause: string }
  /** isa-debug-exit: the process exit code is (value << 1) | 1, as in QEMU. */
  | { readonly kind: 'debug-exit'; readonly code: number }
  /** No machine page was left for a copy: run again when the checkpoint worker has freed some. */
  | { readonly kind: 'pool-exhausted' };

export interface Machine {
  readonly memory: GuestMemory;
  readonly ramBytes: number;
  /** Runs at most `budget` instructions, firing virtual timers at their exact counts. */
  runSlice(budget: number): SliceEnd;
  /** Instructions since power-on. */
  instructionCount(): number;
  /** Two answers that differ say that a user program (ring 3) has run between them. No part of the state. */
  userRuns(): number;
  /** Virtual nanoseconds since power-on, but for the eras that were taken off (Timers.onEra). */
  nowNs(): number;
  /** By how much nowNs() has gone back in all since this machine was made. No part of the state. */
  takenOffNs(): number;
  /** The earliest armed virtual timer, if any. */
  nextDeadlineNs(): number | undefined;
  /** The same when interrupts that may come late (Timer.arm, `patient`) come up to `patienceNs` late. */
  nextDeadlineWithin(patienceNs: number): number | undefined;
  /** The clock-adjustment event: moves virtual time forward by `deltaNs` ≥ 0 (host pacing, skipped idle time). TSC moves along. */
  advanceTimeNs(deltaNs: number): void;
  /** Cold reset as by RESET#, then the boot loader again. */
  reset(): void;

  /** Bytes from the host's side into COM1/COM2; returns how many the UART took (its receive queue is bounded). */
  serialInput(index: 0 | 1, bytes: Uint8Array): number;
  /** PS/2 set-1 scan code bytes, as the host's keyboard layer makes them. */
  keyboardInput(scancodes: Uint8Array): void;
  /** ACPI power button. */
  pressPowerButton(): void;
  /** The clock event: the host's Unix time is this now. The battery-backed clock follows it, and virtual time does not. */
  setHostTime(unixSeconds: number): void;
  /** The host's Unix time as the machine has it: what it was told last, and the virtual time since. */
  hostTime(): number;
  /** The machine is another one from here on than those that share its past: the guest finds this generation identifier (16 bytes), and is told. */
  changeGeneration(guid: Uint8Array): void;
  /** Asks the guest to give so many of its pages back (METHOD § 139). Of a machine without a balloon it asks nothing. */
  setBalloonTarget(pages: number): void;
  /** How many pages the guest has given back as it was asked to. */
  balloonedPages(): number;
  /** How many it is asked to. */
  balloonTarget(): number;
  /** The CD-ROM drives, in the order in which the guest counts them. */
  trays(): TrayState[];
  /** Puts a disc into the drive of `disk`, or takes it out. Only between slices; what is pending on the old disc ends before. */
  changeMedium(disk: string, medium: Drive | undefined): void;
  /** The button of a locked tray: the guest hears of it. */
  pressEject(disk: string): void;
  /** The picture as the guest has it now. Undefined while that is not loaded yet and no page is free for it. */
  screen(): TextScreen | undefined;

  /** Step 808. Everything but RAM; safe only between slices. Copies, so that the guest may go on at once. */
  saveDevices(): SavedDevice[];
  /** Step 902. Refuses (StateError) before anything changes. */
  loadDevices(devices: readonly SavedDevice[]): void;
  /** Step 902 in two parts: refuses what cannot be loaded; what is answered loads it, and does not fail. */
  readyDevices(devices: readonly SavedDevice[]): () => void;
  /** Steps 912 and 914, once memory is restored too: ends the operations that were pending when the state was saved. */
  endPending(): void;
  /** Who brings pages that are not loaded yet (core-exports.ts, loadPage) when they are touched. */
  loadFrom(pages: { load(gppn: number): void }): void;
  /** SHA-free 64-bit digest (hex) of CPU block, devices and all RAM, to compare two runs. Slow: reads all RAM. */
  stateHash(): string;
}

/** VGA text mode: `columns × rows` cells of two bytes, character then attribute, as they lie at B8000h. */
export interface TextScreen {
  readonly kind: 'text';
  readonly columns: number;
  readonly rows: number;
  readonly cells: Uint8Array;
  /** Cell index of the cursor; -1 when off. */
  readonly cursor: number;
}

/** What the machine sends out; called between instructions on the vcpu thread. */
export interface MachineOutputs {
  serialOutput(index: 0 | 1, byte: number): void;
}

export interface MachineConfig {
  readonly ramBytes: number;
  /** Wall-clock time of the RTC at power-on, in seconds since 1970 UTC: an input, never read from the host by the engine. */
  readonly rtcStartSeconds: number;
  readonly debugExit: boolean;
  /** Seeds nothing but what a guest may read as noise (none yet). */
  readonly boot: BootSource;
  /** In the order in which the guest counts them. */
  readonly drives: readonly AttachedDrive[];
  /** A memory balloon is plugged in. */
  readonly balloon: boolean;
  /** A virtio entropy device is plugged in. A machine that is loaded has one if the saved one had, until it is reset. */
  readonly rng: boolean;
  /** What that device gives the guest: the one thing that the engine cannot make. */
  readonly random: RandomSource;
  /** The generation identifier at power-on: 16 bytes. */
  readonly generation: Uint8Array;
  /** It is filled from a checkpoint before it runs: the boot source is for a reset. */
  readonly filledLater?: boolean;
}

/** A virtual disk and the controller that the guest sees it through. */
export type AttachedDrive =
  | { readonly interface: 'virtio' | 'ide' | 'scsi'; readonly media: 'disk'; readonly drive: Drive }
  /** A drive with a disc or none; `name` and `serial` are the drive's own. */
  | {
      readonly interface: 'virtio' | 'ide' | 'scsi';
      readonly media: 'cdrom';
      readonly name: string;
      readonly serial: string;
      readonly drive: Drive | undefined;
    };

/** A CD-ROM drive as the guest has it now. */
export interface TrayState {
  /** The name of its disk: `disk0`… */
  readonly disk: string;
  /** The guest has asked that nobody takes the disc out. */
  readonly isLocked: boolean;
  readonly isOpen: boolean;
}

/** `commandLine`: what the kernel is told with it; by custom the name of its file comes first, in the kernel's own command line too. */
export interface BootModule {
  readonly contents: Uint8Array;
  readonly commandLine: string;
}

export type BootSource =
  | { readonly kind: 'linux'; readonly kernel: Uint8Array; readonly initrd: Uint8Array | undefined; readonly commandLine: string }
  | { readonly kind: 'multiboot'; readonly kernel: Uint8Array; readonly modules: readonly BootModule[]; readonly commandLine: string }
  /** Filled from a checkpoint: no loader runs; reset() then reports that there is no boot source. */
  | { readonly kind: 'none' };
