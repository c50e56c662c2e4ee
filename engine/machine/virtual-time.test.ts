import { expect, test } from 'vitest';
import { StateError } from '#engine/errors/errors.ts';
import { VirtualTime } from './virtual-time.ts';

function setUp() {
  const cpu = { count: 0, exits: 0 };
  return {
    cpu,
    time: new VirtualTime(
      () => cpu.count,
      () => {
        cpu.exits++;
      },
    ),
  };
}

test('timers fire in deadline order, ties in order of creation', () => {
  const { cpu, time } = setUp();
  const log: string[] = [];
  const [a, b, c] = ['a', 'b', 'c'].map(name => time.create(now => log.push(`${name}@${now}`)));
  a!.arm(20);
  b!.arm(10);
  c!.arm(10);
  expect(time.nextDeadlineNs()).toBe(10);
  cpu.count = 25;
  time.fireDue();
  expect(log).toEqual(['b@25', 'c@25', 'a@25']);
  expect(time.nextDeadlineNs()).toBeUndefined();
});

test('patience puts off what is patient, and nothing else', () => {
  const { time } = setUp();
  const [patient, punctual] = [time.create(() => {}), time.create(() => {})];
  expect(time.nextDeadlineWithin(50)).toBeUndefined();
  patient!.arm(10, true);
  expect(time.nextDeadlineWithin(50)).toBe(60);
  expect(time.nextDeadlineNs()).toBe(10);
  punctual!.arm(30);
  expect(time.nextDeadlineWithin(50)).toBe(30);
  patient!.arm(10);
  expect(time.nextDeadlineWithin(50)).toBe(10);
});

test('a deadline inside the running slice ends it; a later one does not', () => {
  const { cpu, time } = setUp();
  const timer = time.create(() => {});
  time.sliceEndNs = 100;
  timer.arm(150);
  expect(cpu.exits).toBe(0);
  timer.arm(50);
  expect(cpu.exits).toBe(1);
});

test('skipped time moves the clock and is saved', () => {
  const { cpu, time } = setUp();
  cpu.count = 5;
  time.advance(1000);
  expect(time.nowNs()).toBe(1005);
  const other = setUp();
  other.time.loadState(time.saveState());
  expect(other.time.nowNs()).toBe(1000);
  expect(() => other.time.loadState({})).toThrow(StateError);
});
