/**
 * The virtual machine generation identifier (Microsoft, "Virtual Machine Generation ID"): a GUID in guest memory that is another one whenever the
 * machine has gone back, or is a copy of one, and an ACPI notification of that. A guest takes its secrets and random numbers for shared then.
 */
import { bool, bytes, defineState, type StateOf } from '../state/state.ts';
import type { Device, GuestMemory, Timer, Timers } from './device.ts';

export const GENERATION_BYTES = 16;

export const VmGenerationState = defineState('vm-generation', 1, { guid: bytes(GENERATION_BYTES), isToBeTold: bool });

/** Of a machine that was saved without one. */
const UNKNOWN: StateOf<typeof VmGenerationState> = { guid: new Uint8Array(GENERATION_BYTES), isToBeTold: false };

export interface VmGenerationPorts {
  readonly memory: GuestMemory;
  readonly time: Timers;
  /** Where in memory the guest finds it. */
  readonly address: number;
  /** The guest is to look again. */
  notify(): void;
}

export class VmGeneration implements Device<StateOf<typeof VmGenerationState>> {
  private guid: Uint8Array;
  private isToBeTold = false;
  private readonly ports: VmGenerationPorts;
  private readonly timer: Timer;

  constructor(ports: VmGenerationPorts, guid: Uint8Array) {
    this.ports = ports;
    this.guid = guid.slice();
    this.timer = ports.time.create(() => this.tell());
  }

  /** Between instructions the guest will find this GUID and be told. */
  change(guid: Uint8Array) {
    this.guid = guid.slice();
    this.isToBeTold = true;
    this.arm();
  }

  /** What firmware does before an operating system runs. */
  place() {
    this.ports.memory.write(this.ports.address, this.guid);
  }

  /** Can be done twice: when there is no free page for the GUID, the timer fires again. */
  private tell() {
    this.place();
    this.isToBeTold = false;
    this.ports.notify();
  }

  private arm() {
    if (this.isToBeTold) this.timer.arm(this.ports.time.nowNs());
    else this.timer.disarm();
  }

  /** A guest that starts anew finds the GUID as it is. */
  reset() {
    this.isToBeTold = false;
    this.arm();
  }
  saveState() {
    return { guid: this.guid.slice(), isToBeTold: this.isToBeTold };
  }
  loadState(raw: unknown) {
    const state = VmGenerationState.parse(raw);
    this.guid = state.guid.slice();
    this.isToBeTold = state.isToBeTold;
    this.arm();
  }
  /** The state that is loaded has none. */
  loadNothing() {
    this.loadState(UNKNOWN);
  }
}
