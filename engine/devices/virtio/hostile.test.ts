/** A driver that writes whatever it likes into its rings, descriptors and registers: the device asks for a reset at most, and never throws or hangs. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bench } from '#test/support/device-contract.ts';
import { FakeDrive } from '#test/support/fake-drive.ts';
import { boardOf } from '#test/support/pci-bench.ts';
import { EVENT_IDX, INDIRECT_DESC, VirtioDriver } from '#test/support/virtio-driver.ts';
import { VirtioBalloon } from './balloon.ts';
import { BlockFeature, VirtioBlock } from './block.ts';

const SIZE = 8;
const HEADERS = 0x30000;
/** Where descriptors like to point: headers, the table itself, the end of memory, beyond it, and the end of the address space. */
const PLACES = [HEADERS, HEADERS + 16, 0x10000, 0x12000, 0x13000, 0xfff00, 0x200000, 0xfffffff0];

/** Half of the descriptors are parts of a request as it should be. */
const decent = fc.record({
  gpa: fc.constantFrom(HEADERS, HEADERS + 16, 0x38000),
  length: fc.constantFrom(16, 32, 512, 513),
  flags: fc.constantFrom(0, 1, 2, 3),
  next: fc.nat(SIZE - 1),
});
const wild = fc.record({
  gpa: fc.oneof(fc.constantFrom(...PLACES), fc.nat(0xffffffff)),
  length: fc.oneof(fc.constantFrom(0, 1, 16, 32, 512, 513, 4096), fc.nat(0xffffffff)),
  flags: fc.nat(7),
  next: fc.nat(SIZE),
});
const descriptor = fc.oneof(decent, wild);
const register = fc.record({ offset: fc.nat(0x7f), size: fc.constantFrom(1 as const, 2 as const, 4 as const), value: fc.nat(0xffffffff) });
const script = fc.record({
  features: fc.subarray([BlockFeature.Flush, EVENT_IDX, INDIRECT_DESC]),
  table: fc.array(descriptor, { minLength: SIZE, maxLength: SIZE }),
  headers: fc.uint8Array({ minLength: 64, maxLength: 64 }),
  type: fc.constantFrom(0, 1, 4, 8, 11, 13, 99),
  heads: fc.oneof(fc.tuple(fc.nat(SIZE - 1)), fc.array(fc.nat(SIZE), { maxLength: 12 })),
  registers: fc.array(register, { maxLength: 4 }),
});

test('a block device serves or refuses anything', () => {
  const statuses = new Set<number>();
  fc.assert(
    fc.property(script, ({ features, table, headers, type, heads, registers }) => {
      const bench = new Bench();
      const { pci, ram } = boardOf(bench);
      const drive = new FakeDrive(ram, { sizeBytes: 65536 });
      const disk = new VirtioBlock({ bus: pci, memory: ram, time: bench.time, slot: 3 }, drive);
      const driver = new VirtioDriver(bench, 3);
      const [queue] = driver.start(features, 1, SIZE);
      ram.bytes.set(headers, HEADERS);
      for (const at of [HEADERS, HEADERS + 16]) ram.view.setUint32(at, type, true);
      for (const [i, { gpa, length, flags, next }] of table.entries()) queue!.descriptor(i, gpa, length, flags, next);
      for (const head of heads) {
        queue!.offer(head);
        driver.notify(0);
        driver.settle();
        drive.completeAll();
        driver.settle();
      }
      statuses.add(driver.status);
      for (const { offset, size, value } of registers) bench.ports.out(0xc000 + offset, size, value);
      driver.settle();
      drive.completeAll();
      driver.settle();
      const saved = structuredClone(disk.saveState());
      disk.loadState(saved);
      expect(disk.saveState()).toEqual(saved);
    }),
    { numRuns: 1500 },
  );
  expect([...statuses].sort()).toEqual([0x0f, 0x4f]);
});

test('a balloon serves or refuses anything', () => {
  fc.assert(
    fc.property(script, ({ table, heads }) => {
      const bench = new Bench();
      const { pci, ram } = boardOf(bench);
      let calls = 0;
      const balloon = new VirtioBalloon({ bus: pci, memory: ram, time: bench.time, slot: 3 }, { releasePages: () => calls++ });
      const driver = new VirtioDriver(bench, 3);
      for (const [i, queue] of driver.start([5, INDIRECT_DESC], 3, SIZE).entries()) {
        for (const [j, { gpa, length, flags, next }] of table.entries()) queue.descriptor(j, gpa, length, flags, next);
        for (const head of heads) queue.offer(head);
        driver.notify(i);
        driver.settle();
      }
      expect(calls).toBeLessThan(1e6);
      expect(() => balloon.loadState(balloon.saveState())).not.toThrow();
    }),
    { numRuns: 500 },
  );
});
