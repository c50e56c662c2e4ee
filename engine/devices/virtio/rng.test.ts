import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { boardOf, PoolExhausted } from '#test/support/pci-bench.ts';
import { EVENT_IDX, VirtioDriver } from '#test/support/virtio-driver.ts';
import { TURN_NS } from './turns.ts';
import { VirtioRng } from './rng.ts';

const SLOT = 2;

/** Its random bytes count upwards from `from`. */
function plug(bench: Bench, from = 1) {
  const { pci, ram } = boardOf(bench);
  let next = from;
  const rng = new VirtioRng({ bus: pci, memory: ram, time: bench.time, slot: SLOT }, into => {
    for (let i = 0; i < into.length; i++) into[i] = next++;
  });
  return { pci, ram, rng };
}

function setUp(from?: number) {
  const bench = new Bench();
  const made = plug(bench, from);
  const driver = new VirtioDriver(bench, SLOT);
  return { bench, ...made, driver, queue: driver.start([], 1)[0]! };
}

/** What the device does stops at its first write to memory. */
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

/** A request that is started, and for the end of which there is no page. */
function leavePending({ bench, driver, queue }: ReturnType<typeof setUp>, length: number) {
  const chain = queue.chain([], [length]);
  queue.offer(chain.head);
  driver.notify(0);
  withoutPages(bench, () => driver.settle());
  return chain;
}

deviceContract(
  'virtio entropy device',
  bench => plug(bench).rng,
  [
    bench => {
      const driver = new VirtioDriver(bench, SLOT);
      const [queue] = driver.start([EVENT_IDX], 1);
      driver.setCommon(0x00, 4, 1);
      driver.setCommon(0x08, 4, 1);
      queue!.request([], [8]);
      bench.pass(TURN_NS);
      queue!.offer(queue!.chain([], [8, 4]).head);
      driver.notify(0);
      withoutPages(bench, () => driver.settle());
    },
    (bench, rng) => {
      rng.reset();
      const driver = new VirtioDriver(bench, SLOT);
      driver.setCommon(0x16, 2, 1);
      for (const queue of [1, 0]) {
        driver.setCommon(0x16, 2, queue);
        for (const reg of [0x24, 0x2c, 0x34]) driver.setCommon(reg, 4, 1);
      }
      driver.setCommon(0x16, 2, 1);
    },
    bench => {
      const driver = new VirtioDriver(bench, SLOT);
      driver.status = 0;
      const [queue] = driver.start([], 1);
      queue!.offer(queue!.chain([new Uint8Array(1)], [8]).head);
      driver.notify(0);
      driver.settle();
    },
  ],
  ['transport.generation'],
);

test('buffers are filled, as far as they reach, and the used ring says how far', () => {
  const { driver, queue } = setUp();
  expect([driver.config.read(0), driver.config.read(8) >>> 8]).toEqual([0x10441af4, 0xff0000]);
  const { head, buffers } = queue.request([], [5, 3]);
  expect(queue.used()).toEqual([[head, 8]]);
  expect(buffers.map(buffer => [...driver.bytesAt(buffer)])).toEqual([
    [1, 2, 3, 4, 5],
    [6, 7, 8],
  ]);
  expect(driver.isr()).toBe(1);
});

test('of a large buffer a page is filled', () => {
  const { driver, queue } = setUp();
  const { head, buffers } = queue.request([], [10_000]);
  expect(queue.used()).toEqual([[head, 4096]]);
  const bytes = driver.bytesAt(buffers[0]!);
  expect([...bytes.subarray(0, 4096)]).toEqual(Array.from({ length: 4096 }, (_, i) => (i + 1) & 0xff));
  expect(bytes.subarray(4096).every(byte => byte === 0xee)).toBe(true);
});

test('a buffer that the device is to read breaks the rules', () => {
  const { driver, queue } = setUp();
  queue.request([new Uint8Array(4)], [4]);
  expect([driver.status & 0x40, queue.used()]).toEqual([0x40, []]);
});

test('what was pending at a save ends in the restored machine with the same bytes; in one that is another with its own', () => {
  const first = setUp();
  const { buffers } = leavePending(first, 6);
  const saved = structuredClone(first.rng.saveState());
  const restored = (isAnother: boolean) => {
    const second = setUp(100);
    second.ram.bytes.set(first.ram.bytes);
    second.rng.loadState(saved);
    second.rng.restored();
    if (isAnother) second.rng.drawAgain();
    second.bench.pass(TURN_NS);
    return [...second.driver.bytesAt(buffers[0]!)];
  };
  expect(restored(false)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(restored(true)).toEqual([100, 101, 102, 103, 104, 105]);
  first.driver.settle();
  expect([...first.driver.bytesAt(buffers[0]!)]).toEqual([1, 2, 3, 4, 5, 6]);
});
