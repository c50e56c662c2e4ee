/**
 * What the kernel and a world say to each other. Actions (kernel → VMM) and events (VMM → kernel) are ring messages: a kind and bytes.
 * The kernel never calls into a world and a world never calls the kernel.
 */
import type { MessagePort } from 'node:worker_threads';
import type { BootSource } from '#engine/machine/machine.ts';
import type { OpenedDisk } from './disk-protocol.ts';

/** Actions: serial input { u8 channel, bytes }, PS/2 scan code bytes, a checkpoint { JSON CheckpointOrder }; the rest carry nothing. */
export const ACTION_SERIAL_IN = 1;
export const ACTION_SCANCODES = 2;
export const ACTION_PAUSE = 3;
export const ACTION_RESUME = 4;
export const ACTION_CHECKPOINT = 5;
/** Pulls the plug: the world ends at the next slice boundary. */
export const ACTION_STOP = 6;
export const ACTION_POWER_BUTTON = 7;
export const ACTION_RESET = 8;
/** The kernel can take one more screen frame. */
export const ACTION_SCREEN_CREDIT = 9;
/** Forget what was sent: the next screen frame carries every row. */
export const ACTION_SCREEN_WHOLE = 10;
/** { u32 } after the EVENT_RESET_HELD of that number: what was to be kept of the machine is. Nothing happens when that reset is held no more, for the VM has gone back or was reset otherwise. */
export const ACTION_GO_ON_WITH_RESET = 11;
/** { u32 } pages that the guest is asked to give back (METHOD § 139). */
export const ACTION_BALLOON = 12;
/** { JSON RevertOrder }: back to a checkpoint in this world. Answered by EVENT_REVERT `ready`, and the world stands still until ACTION_REVERT_DECIDED; or by `refused`, and nothing changes. */
export const ACTION_REVERT = 13;
/** { UTF-8 id }: a checkpoint that was eliminated need not be kept in RAM. */
export const ACTION_DROP_FROM_RAM = 14;
/** An ACTION_CHECKPOINT comes soon. */
export const ACTION_PREPARE_CHECKPOINT = 15;
/** { JSON MediumOrder }: another disc for a drive; answered by EVENT_MEDIUM. */
export const ACTION_MEDIUM = 16;
/** { u8 } after EVENT_REVERT `ready`: 1 when the disks have gone back, so that the machine does, too (answered by `done`); 0 when it goes on as it was. */
export const ACTION_REVERT_DECIDED = 17;
/** { f64 Unix seconds }: the host's time; the machine's battery-backed clock follows it. */
export const ACTION_HOST_TIME = 18;
/** { 16 bytes }: the machine is another one from here on; what its guest finds as generation identifier. */
export const ACTION_GENERATION = 19;

/** { u8 channel, bytes }: the only message in the serial ring. What is sent later by the event ring may be read before it, but for the end. */
export const EVENT_SERIAL_OUT = 1;
/** The payload of a text screen frame (main/ipc/frames.ts, kind 2). */
export const EVENT_SCREEN = 2;
/** { u8 RunState, UTF-8 why the world paused itself: the host's storage failed } */
export const EVENT_STATE = 3;
/** { Stats } as f64. */
export const EVENT_STATS = 4;
/** { JSON WorldEnd }: the last event of a world. */
export const EVENT_END = 5;
/** { u8 channel, u32 count }: serial input bytes that the UART took, so that the kernel may send more. */
export const EVENT_SERIAL_TAKEN = 6;
/** { u32 its number } with `holdResets`: the machine is about to be reset and stands still until ACTION_GO_ON_WITH_RESET (or the reset button) comes. */
export const EVENT_RESET_HELD = 7;
/** { JSON RevertAnswer } */
export const EVENT_REVERT = 8;
/** { JSON MediumAnswer } */
export const EVENT_MEDIUM = 9;
/** { JSON TrayState[] }: the guest has locked, released, opened or shut the tray of a CD-ROM drive. */
export const EVENT_TRAYS = 10;

export const RUN_STATE_RUNNING = 1;
export const RUN_STATE_PAUSED = 2;

/** Serial input bytes under way to one UART at most: what bounds the world's own queue. */
export const SERIAL_INPUT_WINDOW = 16384;
/** The most serial bytes that one event carries. */
export const SERIAL_OUT_CHUNK = 16384;

/** Why a world ended. */
export type WorldEnd =
  | { readonly kind: 'power-off' }
  | { readonly kind: 'reset'; readonly cause: string }
  | { readonly kind: 'halted-for-good' }
  | { readonly kind: 'debug-exit'; readonly code: number }
  /** The plug was pulled. */
  | { readonly kind: 'stopped' }
  /** `untilCount` was reached; `hash` is the machine's state hash there. */
  | { readonly kind: 'count-reached'; readonly count: number; readonly hash: string }
  /** It never ran: a kernel that is none, a checkpoint that can't be read. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'crashed'; readonly reason: string };

/** The disc that the disk worker has opened for a drive. `force`: also when the guest has locked the tray. */
export interface MediumOrder {
  readonly opened: OpenedDisk;
  readonly force: boolean;
}
/** `locked`: nothing has changed, and the guest was told that somebody wants the disc out. `busy`: nothing has changed, for the world stands still. */
export interface MediumAnswer {
  readonly outcome: 'changed' | 'locked' | 'busy';
}

/** An outside event at an instruction count: what an exact run is made of. */
export interface TimedInput {
  readonly count: number;
  readonly action: number;
  readonly payload: Uint8Array;
}

/** What the battery-backed clock (RTC) shows. `host`: the host's time, also after a pause or in a machine that has gone back. `virtual`: virtual time alone. */
export type RtcBase = 'host' | 'virtual';

/** How virtual time is led. `host`: along the host's clock. `virtual`: not at all; a halted guest's time jumps to its next deadline, so runs are exact. */
export type Pacing = 'host' | 'virtual';

export interface RunOptions {
  readonly pacing: Pacing;
  /** Without effect where pacing is `virtual`. */
  readonly rtc: RtcBase;
  /** A guest reset ends the world. */
  readonly noReboot: boolean;
  /** A reset is told of, and waits: the kernel may take a checkpoint of what is about to be lost. */
  readonly holdResets: boolean;
  readonly startPaused: boolean;
  /** Applied at exactly these counts; ascending. */
  readonly inputs: readonly TimedInput[];
  /** Equal pages are shared (METHOD § 138). */
  readonly shareMemory: boolean;
  /** End with the state hash at this count. */
  readonly untilCount: number | undefined;
}

export interface MachineOptions {
  readonly ramBytes: number;
  readonly poolPages: number;
  readonly rtcStartSeconds: number;
  readonly debugExit: boolean;
  /** A memory balloon is plugged in. */
  readonly balloon: boolean;
  /** A virtio entropy device is plugged in. */
  readonly rng: boolean;
  /** The generation identifier at power-on: 32 hexadecimal digits. */
  readonly generation: string;
  readonly boot: BootSource;
}

/** A checkpoint file to go on from, and the folder of those it points to. */
export interface RestoreOrder {
  readonly path: string;
  readonly folder: string;
  /** All memory is loaded, and so checked, before the guest runs; otherwise pages come when they are touched. */
  readonly whole?: boolean;
  /** That of an encrypted checkpoint. */
  readonly passphrase?: string;
  /** Of the machine that goes on from it: 32 hexadecimal digits. Undefined: what the checkpoint has, so that a run can be repeated. */
  readonly generation?: string;
}

/** Where a checkpoint that a running machine goes back to is; it may be in RAM, too. */
export interface RevertOrder extends RestoreOrder {
  readonly id: string;
}

/** Whether memory came from the copy in RAM or from the file. */
export type RevertWay = 'ram' | 'file';

export type RevertAnswer =
  /** All that may fail has been done: the guest stands still. */
  | { readonly kind: 'ready'; readonly way: RevertWay }
  /** It cannot be done in this world, or not now. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The machine is what it was at the checkpoint. */
  | { readonly kind: 'done' };

/** What the vcpu worker starts with. */
export interface VcpuWorkerData {
  readonly core: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly machine: MachineOptions;
  readonly run: RunOptions;
  /** Open in the disk worker, in this order. */
  readonly disks: readonly OpenedDisk[];
  readonly restore: RestoreOrder | undefined;
  /** To the checkpoint worker. */
  readonly checkpoints: MessagePort;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
export const encodeJson = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));
export const decodeJson = (bytes: Uint8Array): unknown => JSON.parse(decoder.decode(bytes));

export function encodeState(paused: boolean, reason = ''): Uint8Array {
  return onChannel(paused ? RUN_STATE_PAUSED : RUN_STATE_RUNNING, encoder.encode(reason));
}
export function decodeState(bytes: Uint8Array): { paused: boolean; reason: string | undefined } {
  return { paused: bytes[0] === RUN_STATE_PAUSED, reason: bytes.length > 1 ? decoder.decode(bytes.subarray(1)) : undefined };
}

export interface Stats {
  /** Million instructions a second, and the share of a host's core, 0 to 1, over about the last second of guest activity. */
  readonly mips: number;
  readonly load: number;
  /** Given back by the guest. */
  readonly balloonedPages: number;
  /** What the guest is asked to give back. */
  readonly balloonTarget: number;
}
export function encodeStats({ mips, load, balloonedPages, balloonTarget }: Stats): Uint8Array {
  return new Uint8Array(Float64Array.of(mips, load, balloonedPages, balloonTarget).buffer);
}
export function decodeStats(bytes: Uint8Array): Stats {
  const [mips, load, balloonedPages, balloonTarget] = new Float64Array(bytes.slice().buffer);
  return { mips: mips!, load: load!, balloonedPages: balloonedPages!, balloonTarget: balloonTarget! };
}

export const encodeText = (text: string): Uint8Array => encoder.encode(text);
export const decodeText = (bytes: Uint8Array): string => decoder.decode(bytes);

export const encodeSeconds = (seconds: number): Uint8Array => new Uint8Array(Float64Array.of(seconds).buffer);
export const decodeSeconds = (bytes: Uint8Array): number => new Float64Array(bytes.slice().buffer)[0]!;

export const encodeNumber = (number: number): Uint8Array => new Uint8Array(Uint32Array.of(number).buffer);
export const decodeNumber = (bytes: Uint8Array): number => new Uint32Array(bytes.slice().buffer)[0]!;

export function encodeTaken(channel: number, count: number): Uint8Array {
  const bytes = new Uint8Array(5);
  bytes[0] = channel;
  new DataView(bytes.buffer).setUint32(1, count, true);
  return bytes;
}
export function decodeTaken(bytes: Uint8Array): { channel: number; count: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { channel: view.getUint8(0), count: view.getUint32(1, true) };
}

/** A channel number in front of bytes. */
export function onChannel(channel: number, bytes: Uint8Array): Uint8Array {
  const payload = new Uint8Array(bytes.length + 1);
  payload[0] = channel;
  payload.set(bytes, 1);
  return payload;
}
