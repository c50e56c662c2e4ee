/** The parts of a machine that a run looks into. They are private, and stay so: this file is the one place that knows their names. */
import type { AccessSize, Device, GuestMemory } from '#engine/devices/device.ts';
import type { SliceEnd } from '#engine/machine/machine.ts';
import type { Pc } from '#engine/machine/pc.ts';
import type { SavedDevice } from '#engine/machine/machine.ts';

interface Bus {
  read(gpa: number, size: AccessSize): number;
  write(gpa: number, size: AccessSize, value: number): void;
}

export interface PciInside {
  readonly functions: readonly {
    readonly model: { readonly device: number; readonly function: number; readonly vendorId: number; readonly deviceId: number };
    readonly bars: readonly { readonly offset: number; readonly model: { readonly bytes: number } }[];
    readonly command: number;
    configByte(offset: number): number;
  }[];
}

export interface PcInside {
  readonly ports: { in(port: number, size: AccessSize): number; out(port: number, size: AccessSize, value: number): void };
  readonly mmio: Bus;
  readonly memory: GuestMemory;
  readonly pic: { acknowledge(): number; readonly raised: Uint8Array; readonly intr: boolean };
  readonly pci: PciInside;
  readonly time: { readonly timers: { onExpire: (nowNs: number) => void }[] };
  readonly devices: readonly { readonly name: string; readonly device: Device }[];
  readonly vga: { screen(memory: GuestMemory): unknown };
  pendingEnd: SliceEnd | undefined;
  fireDue(): void;
  releasePages(first: number, count: number): void;
}

export interface VirtioInside {
  readonly transport: { readonly model: object; readonly slot: PciInside['functions'][number] };
}
export const isVirtio = (device: object): device is Device & VirtioInside => 'transport' in device;

export const inside = (pc: Pc) => pc as unknown as PcInside;

/** Calls `before` before each call of a method of one object. */
export function tap<A extends unknown[]>(object: object, method: string, before: (...args: A) => void) {
  const open = object as Record<string, (...args: A) => unknown>;
  const original = open[method]!.bind(object);
  open[method] = (...args) => {
    before(...args);
    return original(...args);
  };
}

export const stateOf = <T>(saved: readonly SavedDevice[], name: string) => saved.find(device => device.name === name)?.state as T;
