import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Bench, deviceContract, type Modify } from '#test/support/device-contract.ts';
import { boardOf, PoolExhausted } from '#test/support/pci-bench.ts';
import { type DriverQueue, EVENT_IDX, VirtioDriver } from '#test/support/virtio-driver.ts';
import { VirtioBalloon, VirtioBalloonState } from './balloon.ts';
import { decodeState } from '../../state/state.ts';
import { TURN_NS, TURN_UNITS } from './turns.ts';

const SLOT = 3;
const REPORTING = 5;

function plug(bench: Bench) {
  const { pci, ram } = boardOf(bench);
  const released: [gppn: number, count: number][] = [];
  const balloon = new VirtioBalloon(
    { bus: pci, memory: ram, time: bench.time, slot: SLOT },
    { releasePages: (gppn, count) => released.push([gppn, count]) },
  );
  return { balloon, released };
}

function setUp(size = 16) {
  const bench = new Bench();
  const made = plug(bench);
  const driver = new VirtioDriver(bench, SLOT);
  const [inflate, deflate, reporting] = driver.start([REPORTING], 3, size);
  return { bench, ...made, driver, inflate: inflate!, deflate: deflate!, reporting: reporting! };
}
const pfns = (...numbers: number[]) => new Uint8Array(new Uint32Array(numbers).buffer);

/** What it does stops at its first write to memory. */
function withoutPages(bench: Bench, act: () => void) {
  const { ram } = boardOf(bench);
  ram.failAfter = 0;
  try {
    act();
  } catch (thrown) {
    if (!(thrown instanceof PoolExhausted)) throw thrown;
  }
  ram.failAfter = undefined;
}

/** Queue registers that an enabled queue no longer takes. */
function fillQueues(driver: VirtioDriver) {
  for (const queue of [0, 1, 2]) {
    driver.setCommon(0x16, 2, queue);
    for (const reg of [0x24, 0x2c, 0x34]) driver.setCommon(reg, 4, 1);
  }
}
/** A page more than in one turn. */
function offerTooMuch(driver: VirtioDriver, queue: DriverQueue, index: 0 | 2) {
  queue.descriptor(0, 0x200000, (TURN_UNITS + 1) * (index === 0 ? 4 : 4096), index);
  queue.offer(0);
  driver.notify(index);
}
deviceContract('virtio balloon', bench => plug(bench).balloon, [
  (bench, balloon) => {
    balloon.setTarget(256);
    const driver = new VirtioDriver(bench, SLOT);
    const queues = driver.start([REPORTING, EVENT_IDX], 3);
    driver.setCommon(0x00, 4, 1);
    driver.setCommon(0x08, 4, 1);
    driver.setDeviceConfig(4, 4, 17);
    for (const queue of queues) queue.request([pfns(1)], []);
    bench.pass(TURN_NS);
    balloon.setTarget(300);
    queues[0]!.offer(queues[0]!.chain([pfns(2)], []).head);
    driver.notify(0);
    withoutPages(bench, () => driver.settle());
  },
  ...([0, 2] as const).map((index): Modify<VirtioBalloon> => bench => {
    const driver = new VirtioDriver(bench, SLOT);
    bench.pass(2 * TURN_NS);
    offerTooMuch(driver, driver.start([REPORTING], 3)[index]!, index);
    bench.pass(1);
  }),
  (bench, balloon) => {
    balloon.reset();
    fillQueues(new VirtioDriver(bench, SLOT));
  },
]);

test('the driver is told of a new target, and tells how far it got', () => {
  const { balloon, driver } = setUp();
  expect(driver.config.read(0)).toBe(0x10451af4);
  const generation = driver.common(0x15, 1);
  balloon.setTarget(1000);
  expect([driver.isr(), driver.common(0x15, 1) - generation, driver.deviceConfig(0, 4)]).toEqual([2, 1, 1000]);
  driver.setDeviceConfig(4, 4, 600);
  expect([balloon.inflatedPages, driver.deviceConfig(4, 4)]).toEqual([600, 600]);
  driver.setDeviceConfig(0, 4, 5);
  expect(driver.deviceConfig(0, 4)).toBe(1000);
  driver.status = 0;
  expect([balloon.inflatedPages, driver.deviceConfig(0, 4)]).toEqual([0, 1000]);
});

test('inflated pages are released; deflated ones need nothing', () => {
  const { released, driver, inflate, deflate } = setUp();
  const first = inflate.request([pfns(7, 9), pfns(0xffffffff)], []);
  expect([released, inflate.used()]).toEqual([
    [
      [7, 1],
      [9, 1],
      [0xffffffff, 1],
    ],
    [[first.head, 0]],
  ]);
  deflate.request([pfns(7)], []);
  expect([released.length, deflate.used().length, driver.isr()]).toEqual([3, 1, 1]);
});

test('reported ranges are released as far as they are whole pages', () => {
  const { released, driver, reporting } = setUp();
  reporting.descriptor(0, 0x3000, 0x2000, 3, 1);
  reporting.descriptor(1, 0x7800, 0x1000, 3, 2);
  reporting.descriptor(2, 0x8800, 0x1800, 2);
  reporting.offer(0);
  driver.notify(2);
  driver.settle();
  expect([released, reporting.used()]).toEqual([
    [
      [3, 2],
      [9, 1],
    ],
    [[0, 0]],
  ]);
});

test.each([0, 2] as const)(
  'queue %d: what is too much for one turn goes on in the next, also of a machine that is loaded in between',
  index => {
    const board = setUp();
    const queue = [board.inflate, undefined, board.reporting][index]!;
    const count = ({ released }: Pick<typeof board, 'released'>) => released.reduce((sum, [, pages]) => sum + pages, 0);
    offerTooMuch(board.driver, queue, index);
    board.driver.settle();
    expect([count(board), queue.used()]).toEqual([TURN_UNITS, []]);
    const other = setUp();
    other.bench.count = board.bench.count;
    other.driver.ram.bytes.set(board.driver.ram.bytes);
    other.balloon.loadState(structuredClone(board.balloon.saveState()));
    other.balloon.restored();
    for (const { bench } of [board, other]) bench.pass(TURN_NS - 1);
    expect([count(board), count(other)]).toEqual([TURN_UNITS, 0]);
    for (const { bench } of [board, other]) bench.pass(1);
    expect([count(board), count(other)]).toEqual([TURN_UNITS + 1, 1]);
    expect(queue.used()).toEqual([[0, 0]]);
    expect(other.balloon.saveState()).toEqual(board.balloon.saveState());
  },
);

test('128 reports of all addresses are taken a turn at a time', () => {
  const { bench, driver, released, reporting } = setUp(128);
  for (let i = 0; i < 128; i++) {
    reporting.descriptor(i, 0, 0xffffffff, 2);
    reporting.offer(i);
  }
  driver.notify(2);
  for (let turns = 1; turns <= 300; turns++) {
    driver.settle();
    const pages = released.splice(0).reduce((sum, [, count]) => sum + count, 0);
    expect(pages).toBeLessThanOrEqual(TURN_UNITS);
    for (let i = 0; i < 10; i++) driver.notify(2); // which hastens nothing
    bench.pass(TURN_NS);
  }
  expect(reporting.used().length).toBe(1);
  bench.pass(40_000 * TURN_NS);
  expect([reporting.used().length, driver.isr(), driver.status]).toEqual([127, 1, 0x0f]);
});

test.each<[string, (board: ReturnType<typeof setUp>) => void]>([
  ['half a page number', ({ inflate }) => void inflate.request([new Uint8Array(6)], [])],
  [
    'more page numbers than a driver sends',
    ({ inflate, driver }) => {
      inflate.descriptor(0, 0x1000, 0x100000, 0);
      inflate.offer(0);
      driver.notify(0);
    },
  ],
  [
    'more than all memory',
    ({ reporting, driver }) => {
      for (const i of [0, 1]) reporting.descriptor(i, 0, 0xffffffff, i === 0 ? 3 : 2, 1);
      reporting.offer(0);
      driver.notify(2);
    },
  ],
])('%s: the device wants a reset', (_name, act) => {
  const board = setUp();
  act(board);
  board.driver.settle();
  expect([board.driver.status, board.released]).toEqual([0x4f, []]);
});

test('a state saved by version 1 is taken', () => {
  const hex = readFileSync(new URL('../../../test/golden/states/virtio-balloon-1.hex', import.meta.url), 'utf8').replaceAll('\n', '');
  const device = plug(new Bench()).balloon;
  device.loadState(VirtioBalloonState.parseVersion(1, decodeState(new Uint8Array(Buffer.from(hex, 'hex')), 'virtio-balloon')));
  expect(device.saveState()).toMatchObject({
    target: 300,
    actual: 17,
    inflated: 0,
    reported: 0,
    transport: { turns: { turn: 0, spent: 0 } },
  });
});
