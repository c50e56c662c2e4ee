/** What holds between any two operations: interrupt lines are what their sources say, and nothing grows without bound. */
import type { StateOf } from '#engine/state/state.ts';
import type { IdeState } from '#engine/devices/ide/ide.ts';
import type { PicState } from '#engine/devices/pic.ts';
import type { AcpiPmState } from '#engine/devices/acpi-pm.ts';
import type { SavedDevice } from '#engine/machine/machine.ts';
import { isVirtio, stateOf } from './inside.ts';
import type { FuzzMachine } from './machine.ts';

const CASCADE = 2;
const NIEN = 2;
const SELECTED = 0x10;
const INTX_DISABLE = 1 << 10;
const SCI_EN = 1;
const ACPI_EVENTS = 0x121;
/** Pending at a time, of all drives. */
const MOST_HELD = 20_000;
const MOST_BUFFERED = 128 << 20;

function require(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

export function checkInvariants(machine: FuzzMachine) {
  const saved = machine.pc.saveDevices();
  const raised = Array.from(machine.inner.pic.raised, count => count > 0);
  linesFollowDrivers(saved, raised);
  ideLines(saved, raised);
  virtio(machine, saved, raised);
  const { control, status, enable } = stateOf<StateOf<typeof AcpiPmState>>(saved, 'acpi-pm');
  if ((control & SCI_EN) !== 0 && (status & enable & ACPI_EVENTS) !== 0) require(raised[9]!, 'IRQ 9: the SCI is lost');
  const held = machine.drives.flatMap(drive => drive.held);
  require(held.length <= MOST_HELD, `${held.length} requests are pending`);
  const buffered = held.reduce((sum, { request }) => sum + (request.kind === 'write-bytes' ? request.bytes.length : 0), 0);
  require(buffered <= MOST_BUFFERED, `${buffered} bytes wait to be written`);
}

/** A line is up while any of its drivers holds it. */
function linesFollowDrivers(saved: readonly SavedDevice[], raised: readonly boolean[]) {
  const { master, slave } = stateOf<StateOf<typeof PicState>>(saved, 'pic');
  for (const [irq, isRaised] of raised.entries()) {
    if (irq === CASCADE) continue;
    const { lines } = irq < 8 ? master : slave;
    require(((lines & (1 << (irq & 7))) !== 0) === isRaised, `IRQ ${irq}: the line is ${isRaised ? 'down' : 'up'} and its drivers are not`);
  }
}

function ideLines(saved: readonly SavedDevice[], raised: readonly boolean[]) {
  const { primary, secondary } = stateOf<StateOf<typeof IdeState>>(saved, 'ide');
  for (const [i, { control, device, asserted }] of [primary, secondary].entries()) {
    const name = `ide${2 * i + ((device & SELECTED) === 0 ? 0 : 1)}`;
    const intrq = stateOf<{ device: { intrq: boolean } } | undefined>(saved, name)?.device.intrq === true;
    const level = intrq && (control & NIEN) === 0;
    require(asserted === level &&
      (!level || raised[14 + i] === true), `IRQ ${14 + i}: ${name} says ${level}, the channel ${asserted}, the line ${raised[14 + i]}`);
  }
}

/** Each device of virtio's interrupts by its INTA#, where that is routed to; what it has taken from its queues is under way. */
function virtio({ inner }: FuzzMachine, saved: readonly SavedDevice[], raised: readonly boolean[]) {
  const routes = inner.pci.functions.find(({ model }) => model.device === 1 && model.function === 0)!;
  for (const { name, device } of inner.devices) {
    if (!isVirtio(device)) continue;
    const { isr, status, started, queues } = stateOf<{ transport: Transport }>(saved, name).transport;
    for (const [i, { taken, returned }] of Object.values(queues).entries()) {
      const underWay = started.filter(({ queue }) => queue === i).length;
      if ((status & NEEDS_RESET) === 0) require(((taken - returned) & 0xffff) === underWay, `${name}: a chain of queue ${i} is lost`);
    }
    const { model, command } = device.transport.slot;
    const route = routes.configByte(0x60 + (model.device % 4));
    if (isr === 0 || (command & INTX_DISABLE) !== 0 || (route & 0x80) !== 0 || !ROUTABLE.includes(route & 0x0f)) continue;
    require(raised[route & 0x0f]!, `IRQ ${route & 0x0f}: the interrupt of ${name} is lost`);
  }
}
interface Transport {
  readonly isr: number;
  readonly status: number;
  readonly started: readonly { readonly queue: number }[];
  readonly queues: Readonly<Record<string, { readonly taken: number; readonly returned: number }>>;
}
const NEEDS_RESET = 64;
const ROUTABLE = [3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15];
