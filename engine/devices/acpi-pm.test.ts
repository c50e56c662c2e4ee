import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { AcpiPm, AcpiPmState } from './acpi-pm.ts';
import { ERA_SECONDS } from './device.ts';
import { PM_BASE } from './pci-chipset.ts';

const make = (bench: Bench, off = () => {}) => new AcpiPm(bench.ports, PM_BASE, bench.time, bench.irq(9), off);

deviceContract('acpi-pm', bench => make(bench), [
  (bench, pm) => {
    bench.pass(1e9);
    pm.pressPowerButton();
    bench.ports.out(PM_BASE + 2, 2, 0x0100);
    bench.ports.out(PM_BASE + 4, 2, 0x0401);
    pm.raiseEvent(9);
    bench.out(PM_BASE + 0x0f, 2);
  },
  bench => {
    bench.time.advance(2 * ERA_SECONDS * 1e9);
    bench.time.fireDue();
  },
]);

test('S5 powers off, another sleep type does not', () => {
  const bench = new Bench();
  let off = 0;
  make(bench, () => {
    off++;
  });
  bench.ports.out(PM_BASE + 4, 2, 0x2000 | (3 << 10));
  expect(off).toBe(0);
  bench.ports.out(PM_BASE + 4, 2, 0x2000 | (5 << 10));
  expect(off).toBe(1);
});

test('the power button raises SCI until its status is cleared', () => {
  const bench = new Bench();
  const pm = make(bench);
  bench.ports.out(PM_BASE + 2, 2, 0x0100);
  pm.pressPowerButton();
  expect(bench.levels.get(9)).toBe(true);
  expect(bench.ports.in(PM_BASE, 2)).toBe(0x0100);
  bench.ports.out(PM_BASE, 2, 0x0100);
  expect(bench.levels.get(9)).toBe(false);
});

test('the timer runs at 3.579545 MHz in 24 bits and its carry interrupts', () => {
  const bench = new Bench();
  make(bench);
  bench.pass(1e9);
  expect(bench.ports.in(PM_BASE + 8, 4)).toBe(3579545);
  bench.ports.out(PM_BASE + 2, 2, 1);
  bench.pass(2e9);
  expect(bench.levels.get(9)).toBe(true);
  bench.pass(2e9);
  expect(bench.ports.in(PM_BASE + 8, 4)).toBe((5 * 3579545) % 0x1000000);
});

test('a general-purpose event raises SCI where it is enabled, until its status is cleared', () => {
  const bench = new Bench();
  const pm = make(bench);
  pm.raiseEvent(5);
  expect([bench.levels.get(9), bench.in(PM_BASE + 0x0c)]).toEqual([false, 0x20]);
  bench.out(PM_BASE + 0x0e, 0x20);
  expect(bench.levels.get(9)).toBe(true);
  bench.out(PM_BASE + 0x0c, 0x04);
  expect(bench.levels.get(9)).toBe(true);
  bench.out(PM_BASE + 0x0c, 0x20);
  expect([bench.levels.get(9), bench.in(PM_BASE + 0x0c)]).toEqual([false, 0]);
  pm.raiseEvent(14);
  bench.out(PM_BASE + 0x0f, 0x40);
  expect([bench.levels.get(9), bench.in(PM_BASE + 0x0d), bench.ports.in(PM_BASE + 0x0c, 4)]).toEqual([true, 0x40, 0x40204000]);
  pm.reset();
  expect([bench.levels.get(9), bench.ports.in(PM_BASE + 0x0c, 4)]).toEqual([false, 0]);
});

test('a state from before general-purpose events has none', () => {
  const old = { status: 0x100, enable: 0x100, control: 1, seenTick: 5 };
  const events = { eventStatus: 0, eventEnable: 0 };
  expect(AcpiPmState.parseVersion(1, old)).toEqual({ ...old, base: 0, ...events });
  expect(AcpiPmState.parseVersion(2, { ...old, base: 7 })).toEqual({ ...old, base: 7, ...events });
});
