import { describe, expect, test } from 'vitest';
import { Bench } from '#test/support/device-contract.ts';
import { boardOf, PciAccess, PoolExhausted } from '#test/support/pci-bench.ts';
import { EVENT_IDX, INDIRECT_DESC, VERSION_1, VirtioDriver } from '#test/support/virtio-driver.ts';
import { gather, scatter } from '../guest-ranges.ts';
import type { Chain } from './queue.ts';
import { type StartedRequest, virtioState, VirtioPci } from './virtio-pci.ts';
import { TURN_NS } from './turns.ts';

const SLOT = 3;
const FEATURE = 5;

/** A device that holds each request until the test ends it, and then answers with what it read, backwards. */
function setUp(features: readonly number[] = [], size = 16) {
  const bench = new Bench();
  const { pci, ram } = boardOf(bench);
  const held: StartedRequest[] = [];
  const resets = { count: 0 };
  const written: number[][] = [];
  const device: VirtioPci = new VirtioPci(
    { bus: pci, memory: ram, time: bench.time, slot: SLOT },
    {
      type: 63,
      classCode: 0xff0000,
      features: 1 << FEATURE,
      queueSizes: [16, 16],
      unserved: [1],
      readConfig: () => Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      writeConfig: (...access) => written.push(access),
      request(queue: number, chain: Chain) {
        const answer = gather(ram, chain.readable, 100).toReversed();
        if (answer.length === 0) return 'broken';
        held.push(device.start(queue, chain, { length: answer.length, writes: scatter(chain.writable, answer) }));
      },
      reset() {
        resets.count++;
        for (const request of held) device.finish(request);
      },
    },
  );
  new PciAccess(bench, 1).write(0x60, 0x0b0b0b0b); // every PIRQ to IRQ 11
  const driver = new VirtioDriver(bench, SLOT);
  const [queue, other] = driver.start(features, 2, size);
  return { bench, pci, ram, device, driver, held, resets, written, queue: queue!, other: other!, irq: () => bench.levels.get(11) };
}

describe('the function', () => {
  test('is a modern device whose structures lie in its I/O window', () => {
    const { driver } = setUp();
    expect(driver.config.read(0)).toBe(0x107f1af4);
    expect(driver.config.read(8)).toBe(0xff000001);
    expect([...driver.structures.keys()].sort()).toEqual([1, 2, 3, 4, 5]);
    expect([driver.deviceConfig(0, 4), driver.deviceConfig(6, 2), driver.deviceConfig(7, 1), driver.deviceConfig(60, 4)]).toEqual([
      0x04030201, 0x0807, 8, 0,
    ]);
  });

  test('answers through the configuration space too', () => {
    const { driver, written } = setUp();
    const window = [...Array(256).keys()].find(at => at >= 0x40 && driver.config.read(at, 1) === 9 && driver.config.read(at + 3, 1) === 5)!;
    driver.config.write(window + 8, 0x40);
    driver.config.write(window + 12, 2);
    expect(driver.config.read(window + 16)).toBe(0x0201);
    driver.config.write(window + 16, 0xabcd);
    expect(written).toEqual([[0, 2, 0xabcd]]);
    for (const [offset, length] of [
      [0x40, 3],
      [0x41, 2],
      [0x80, 1],
    ] as const) {
      driver.config.write(window + 8, offset);
      driver.config.write(window + 12, length);
      driver.config.write(window + 16, 0xffff);
    }
    expect(written.length).toBe(1);
  });

  test('takes no features but those it offers, and version 1 is one of them', () => {
    const { driver } = setUp();
    expect(driver.offered()).toEqual([FEATURE, INDIRECT_DESC, EVENT_IDX, VERSION_1]);
    for (const [features, taken] of [
      [[FEATURE], false],
      [[VERSION_1, 6], false],
      [[VERSION_1, 33], false],
      [[VERSION_1, FEATURE], true],
    ] as const) {
      driver.status = 0;
      driver.status = 3;
      driver.accept(features);
      driver.status = 0x0b;
      expect((driver.status & 8) !== 0).toBe(taken);
    }
  });
});

describe('requests', () => {
  test('end in any order, each with one interrupt until the driver looks', () => {
    const { bench, device, driver, held, queue, irq } = setUp();
    const first = queue.request([Uint8Array.of(1, 2), Uint8Array.of(3)], [2, 8]);
    const second = queue.request([Uint8Array.of(9)], [1]);
    expect([held.length, queue.used(), irq()]).toEqual([2, [], false]);
    device.finish(held[1]!);
    expect(queue.used()).toEqual([]);
    bench.time.fireDue();
    expect([queue.used(), irq(), driver.bytesAt(second.buffers[1]!)]).toEqual([[[second.head, 1]], true, Uint8Array.of(9)]);
    expect([driver.isr(), driver.isr(), irq()]).toEqual([1, 0, false]);
    device.finish(held[0]!);
    bench.time.fireDue();
    expect([queue.used(), irq()]).toEqual([[[first.head, 3]], true]);
    expect(driver.bytesAt(first.buffers[2]!)).toEqual(Uint8Array.of(3, 2));
    expect(driver.bytesAt(first.buffers[3]!).subarray(0, 2)).toEqual(Uint8Array.of(1, 0xee));
  });

  test('are not looked at before DRIVER_OK, nor in a queue that is not served', () => {
    const { driver, held, other, queue } = setUp();
    other.request([Uint8Array.of(1)], []);
    driver.status = 0;
    queue.request([Uint8Array.of(1)], []);
    expect(held).toEqual([]);
  });

  test('interrupts are left out when the driver says so', () => {
    const { device, driver, held, queue, irq } = setUp();
    queue.noInterrupt = true;
    queue.request([Uint8Array.of(1)], [1]);
    device.finish(held[0]!);
    driver.settle();
    expect([queue.used().length, irq()]).toEqual([1, false]);
  });

  test('with event indices, interrupts and notifications are asked for by index', () => {
    const { device, driver, held, queue, irq } = setUp([EVENT_IDX]);
    queue.usedEvent = 1;
    for (let i = 0; i < 3; i++) queue.request([Uint8Array.of(i + 1)], [1]);
    expect(queue.availEvent).toBe(3);
    const interrupts = held.map(request => {
      device.finish(request);
      driver.settle();
      return driver.isr();
    });
    expect([interrupts, irq()]).toEqual([[0, 1, 0], false]);
  });

  test('the indices wrap, and so does the ring', () => {
    const { bench, device, driver, held, queue } = setUp([], 4);
    for (let i = 0; i < 70_000; i++) {
      queue.offer(0);
      if (i === 0) queue.descriptor(0, 0x40000, 1, 0);
      driver.notify(0);
      driver.settle();
      device.finish(held.pop()!);
      driver.settle();
      if (queue.used().length !== 1) expect.fail(`request ${i} was lost`);
      if (i % 1000 === 0) bench.pass(TURN_NS);
    }
    expect(driver.status).toBe(0x0f);
  });

  test('a request that is read from where no page is loaded yet is asked for again', () => {
    const { driver, held, queue, ram } = setUp();
    const made = queue.chain([Uint8Array.of(1, 2)], [2]);
    const read = ram.read.bind(ram);
    ram.read = (gpa, into) => {
      if (gpa === made.buffers[0]!.gpa) throw new PoolExhausted();
      read(gpa, into);
    };
    queue.offer(made.head);
    driver.notify(0);
    expect(() => driver.settle()).toThrow(PoolExhausted);
    ram.read = read;
    driver.settle();
    expect([held.map(({ head }) => head), driver.status]).toEqual([[made.head], 0x0f]);
  });

  test('more requests than a turn has room for', () => {
    const { bench, driver, held, queue } = setUp([INDIRECT_DESC]);
    const table = new Uint8Array(1000 * 16);
    const view = new DataView(table.buffer);
    for (let i = 0; i < 1000; i++) {
      view.setUint32(16 * i + 8, 1, true);
      view.setUint32(16 * i + 12, i < 999 ? 1 | ((i + 1) << 16) : 0, true);
    }
    const { gpa, length } = driver.buffer(table);
    for (let i = 0; i < 8; i++) {
      queue.descriptor(i, gpa, length, 4);
      queue.offer(i);
    }
    driver.notify(0);
    driver.settle();
    expect(held.length).toBe(5);
    bench.pass(TURN_NS - 1);
    expect(held.length).toBe(5);
    bench.pass(1);
    expect([held.length, driver.status]).toEqual([8, 0x0f]);
  });

  test('a write that finds no page is tried again, and nothing is told twice', () => {
    for (let failAfter = 0; failAfter < 5; failAfter++) {
      const { device, driver, held, queue, ram } = setUp([EVENT_IDX]);
      queue.request([Uint8Array.of(1, 2)], [1, 1]);
      const { head } = queue.chain([Uint8Array.of(3)], [1]);
      queue.offer(head);
      driver.notify(0);
      device.finish(held[0]!);
      ram.failAfter = failAfter;
      expect(() => driver.settle()).toThrow(PoolExhausted);
      ram.failAfter = undefined;
      driver.settle();
      expect([queue.used(), queue.availEvent, held.length]).toEqual([[[0, 2]], 2, 2]);
    }
  });
});

test('a narrow window of the configuration space takes no more than its width, and the state can be loaded', () => {
  const { device, driver } = setUp();
  let window = driver.config.read(0x34, 1);
  while (driver.config.read(window + 3, 1) !== 5) window = driver.config.read(window + 1, 1);
  driver.config.write(window + 8, 0x16);
  driver.config.write(window + 12, 2);
  driver.config.write(window + 16, 0xaf940001);
  expect(driver.common(0x16, 2)).toBe(1);
  const field = virtioState(2);
  expect(field.parse(device.save(), 'device')).toEqual(device.save());
});

test('features that the device has not agreed to are not in force, nor are they once the state is loaded', () => {
  const { device, driver, held, queue } = setUp();
  driver.status = 0;
  driver.accept([INDIRECT_DESC, EVENT_IDX]); // without version 1
  driver.status = 0x0f;
  expect(driver.status).toBe(0x07);
  for (const [offset, value] of [
    [0x20, queue.base],
    [0x28, queue.base + 0x2000],
    [0x30, queue.base + 0x3000],
  ] as const)
    driver.setCommon(offset, 4, value);
  driver.setCommon(0x1c, 2, 1);
  device.load(structuredClone(device.save()));
  queue.descriptor(0, driver.buffer(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)).gpa, 16, 4);
  queue.offer(0);
  driver.notify(0);
  driver.settle();
  expect([held.length, driver.status & 0x40]).toEqual([0, 0x40]);
});

describe('reset by the driver', () => {
  test('forgets what is pending and starts anew', () => {
    const { driver, held, queue, resets } = setUp();
    queue.request([Uint8Array.of(1)], [1]);
    const before = resets.count;
    driver.status = 0;
    driver.settle();
    expect([driver.status, resets.count, queue.used()]).toEqual([0, before + 1, []]);
    expect(driver.isr()).toBe(0);
    const [again] = driver.start([], 1);
    again!.request([Uint8Array.of(4)], [1]);
    expect(held.length).toBe(2);
  });
});

describe('a driver that breaks the rules', () => {
  type Board = ReturnType<typeof setUp>;
  const cases: [string, readonly number[], (board: Board) => void][] = [
    ['a head outside the table', [], ({ queue }) => queue.offer(16)],
    ['a link outside the table', [], ({ queue }) => (queue.descriptor(0, 0x40000, 1, 1, 16), queue.offer(0))],
    ['a loop', [], ({ queue }) => (queue.descriptor(0, 0x40000, 1, 1, 0), queue.offer(0))],
    [
      'a readable part after a writable one',
      [],
      ({ queue }) => (queue.descriptor(0, 0x40000, 1, 3, 1), queue.descriptor(1, 0x40000, 1, 0), queue.offer(0)),
    ],
    ['an address above 4 GiB', [], ({ queue }) => (queue.descriptor(0, 2 ** 32, 1, 0), queue.offer(0))],
    ['a range that ends above 4 GiB', [], ({ queue }) => (queue.descriptor(0, 0xffffffff, 2, 0), queue.offer(0))],
    ['a table that was not agreed on', [], ({ queue }) => (queue.descriptor(0, 0x40000, 16, 4), queue.offer(0))],
    ['a table of no whole descriptors', [INDIRECT_DESC], ({ queue }) => (queue.descriptor(0, 0x40000, 24, 4), queue.offer(0))],
    ['an empty table', [INDIRECT_DESC], ({ queue }) => (queue.descriptor(0, 0x40000, 0, 4), queue.offer(0))],
    ['a table that goes on', [INDIRECT_DESC], ({ queue }) => (queue.descriptor(0, 0x40000, 16, 5, 1), queue.offer(0))],
    [
      'a table in a table',
      [INDIRECT_DESC],
      ({ queue, ram }) => {
        queue.descriptor(0, 0x40000, 16, 4);
        ram.view.setUint32(0x40000, 0x40000, true);
        ram.view.setUint32(0x40008, 16, true);
        ram.view.setUint16(0x4000c, 4, true);
        queue.offer(0);
      },
    ],
    ['an index that has run away', [], ({ queue, ram }) => ram.view.setUint16(queue.base + 0x2002, 17, true)],
    ['a request that the device cannot take', [], ({ queue }) => (queue.descriptor(0, 0x40000, 0, 0), queue.offer(0))],
  ];
  test.each(cases)('%s: the device wants a reset, and no more requests', (_name, features, act) => {
    const board = setUp(features);
    const { driver, held, queue } = board;
    act(board);
    driver.notify(0);
    driver.settle();
    expect([driver.status, driver.isr(), held.length]).toEqual([0x4f, 2, 0]);
    queue.request([Uint8Array.of(1)], []);
    expect(held.length).toBe(0);
    driver.status = 0;
    const [again] = driver.start(features, 1);
    again!.request([Uint8Array.of(1)], []);
    expect(held.length).toBe(1);
  });

  test('more requests in flight than the queue has entries', () => {
    const { driver, held, queue } = setUp([], 4);
    queue.descriptor(0, 0x40000, 1, 0);
    for (let i = 0; i < 5; i++) {
      queue.offer(0);
      driver.notify(0);
      driver.settle();
    }
    expect([held.length, driver.status & 0x40]).toEqual([4, 0x40]);
  });

  test('areas that are misaligned or above 4 GiB', () => {
    for (const [reg, value] of [
      [0x20, 0x10008],
      [0x28, 0x10001],
      [0x30, 0x10002],
      [0x24, 1],
      [0x2c, 1],
      [0x34, 1],
    ] as const) {
      const { driver } = setUp();
      driver.status = 0;
      driver.setCommon(reg, 4, value);
      driver.setCommon(0x1c, 2, 1);
      expect([driver.common(0x1c, 2), driver.status]).toEqual([0, 0x40]);
    }
  });

  test('an indirect table longer than any request ends the walk', () => {
    const { driver, queue, ram } = setUp([INDIRECT_DESC]);
    for (let i = 0; i < 2000; i++) {
      const at = 0x80000 + 16 * i;
      ram.view.setUint32(at, 0x40000, true);
      ram.view.setUint32(at + 8, 1, true);
      ram.view.setUint16(at + 12, 1, true);
      ram.view.setUint16(at + 14, i + 1, true);
    }
    queue.descriptor(0, 0x80000, 16 * 2000, 4);
    queue.offer(0);
    driver.notify(0);
    driver.settle();
    expect(driver.status & 0x40).toBe(0x40);
  });
});

test('an indirect table is a chain', () => {
  const { device, driver, held, queue, ram } = setUp([INDIRECT_DESC]);
  ram.bytes.set([7, 8], 0x50000);
  for (const [i, [gpa, length, flags]] of (
    [
      [0x50000, 2, 1],
      [0x50010, 2, 2],
    ] as const
  ).entries()) {
    ram.view.setUint32(0x60000 + 16 * i, gpa, true);
    ram.view.setUint32(0x60008 + 16 * i, length, true);
    ram.view.setUint16(0x6000c + 16 * i, flags, true);
    ram.view.setUint16(0x6000e + 16 * i, 1, true);
  }
  queue.descriptor(5, 0x60000, 32, 4);
  queue.offer(5);
  driver.notify(0);
  driver.settle();
  device.finish(held[0]!);
  driver.settle();
  expect([queue.used(), [...ram.bytes.subarray(0x50010, 0x50012)]]).toEqual([[[5, 2]], [8, 7]]);
});
