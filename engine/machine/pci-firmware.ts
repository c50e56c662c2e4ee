/**
 * What firmware does to the PCI bus before an operating system runs: places every BAR, switches its decoding on, and routes the interrupts.
 * The windows lie one after another, by slot: I/O from C000h up, memory from C000_0000h.
 */
import type { PortBus } from '../devices/device.ts';
import { PIRQ_ROUTES } from '../devices/pci-chipset.ts';
import { type PciFunction, Reg } from '../devices/pci-function.ts';
import type { Pci } from '../devices/pci.ts';
import { pirqOf } from '../devices/pirq-router.ts';
import { InvariantError } from '../errors/errors.ts';
import { PCI_HOLE, PCI_HOLE_END } from './memory-map.ts';

const IO_AREA = 0xc000;
const IO_AREA_END = 0x10000;
/** The IRQs that PIRQA-D are routed to; the ACPI tables say the same. */
export const PIRQ_IRQS = [10, 11, 10, 11] as const;
/** Edge/level registers of the interrupt controllers. */
const ELCR = [0x4d0, 0x4d1] as const;
const ISA_BRIDGE_ROUTES = 0x80000800 | PIRQ_ROUTES;
const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;

/** Next free addresses. */
interface Cursor {
  io: number;
  memory: number;
}

/** After the reset of every device. */
export function assignPci(pci: Pci, ports: PortBus & { out(port: number, size: 1 | 4, value: number): void }) {
  const cursor: Cursor = { io: IO_AREA, memory: PCI_HOLE };
  for (const each of pci.functions) assignFunction(each, cursor);
  ports.out(CONFIG_ADDRESS, 4, ISA_BRIDGE_ROUTES >>> 0);
  ports.out(CONFIG_DATA, 4, PIRQ_IRQS.reduce<number>((routes, irq, pirq) => routes | (irq << (8 * pirq)), 0) >>> 0);
  ports.out(CONFIG_ADDRESS, 4, 0);
  const levels = PIRQ_IRQS.reduce<number>((mask, irq) => mask | (1 << irq), 0);
  ports.out(ELCR[0], 1, levels & 0xff);
  ports.out(ELCR[1], 1, levels >> 8);
}

function assignFunction(each: PciFunction, cursor: Cursor) {
  const bases = each.bars.map(({ model }) => {
    const base = Math.ceil(cursor[model.space] / model.bytes) * model.bytes;
    cursor[model.space] = base + model.bytes;
    return base;
  });
  if (cursor.io > IO_AREA_END || cursor.memory > PCI_HOLE_END)
    throw new InvariantError('The PCI devices do not fit into the address space.');
  // The power-management function says by itself where its interrupt is wired.
  const routed = each.model.intA === true && each.configByte(Reg.InterruptLine) === 0;
  each.assign(bases, routed ? PIRQ_IRQS[pirqOf(each.model.device)] : undefined);
}
