/** Disks in a machine: a guest program that uses one, a restore with a request under way, and a pool that has no page for its end. */
import { expect, test } from 'vitest';
import type { GuestMemory } from '#engine/devices/device.ts';
import { ConfigError } from '#engine/errors/errors.ts';
import { BenchPc } from '#test/support/bench-pc.ts';
import { FakeDrive } from '#test/support/fake-drive.ts';
import { HLT, STI, TinyKernel } from '#test/support/tiny-kernel.ts';
import { PAGE_SIZE } from '../memory/layout.ts';
import type { AttachedDrive } from './machine.ts';

/** Where firmware puts the first window, and what lies in it (devices/virtio/virtio-pci.ts). */
const WINDOW = 0xc000;
const STATUS = WINDOW + 0x14;
const ISR = WINDOW + 0x38;
const NOTIFY = WINDOW + 0x3c;
/** IRQ 11, from slots 3 and 5. */
const VECTOR = 0x2b;

const QUEUE = 0x200000;
const AVAILABLE = 0x201000;
/** The guest itself writes neither of these pages. */
const USED = 0x202000;
const REQUEST_STATUS = 0x205000;
const HEADER = 0x203000;
const DATA = 0x204000;
const COUNTER = 0x206000;

/** Interrupts counted, queue 0 of the device in the first window set up, DRIVER_OK. */
function driver() {
  const kernel = new TinyKernel().interrupts(0xfb).handler(VECTOR, inner => inner.increment(COUNTER).in8(ISR).out8(0xa0, 0x20));
  kernel.out8(0xa1, 0xf7).store32(COUNTER, 0);
  kernel
    .out8(STATUS, 0x03)
    .out32(WINDOW + 0x08, 1)
    .out32(WINDOW + 0x0c, 1)
    .out8(STATUS, 0x0b);
  kernel.out16(WINDOW + 0x16, 0).out16(WINDOW + 0x18, 8);
  return kernel
    .out32(WINDOW + 0x20, QUEUE)
    .out32(WINDOW + 0x28, AVAILABLE)
    .out32(WINDOW + 0x30, USED)
    .out16(WINDOW + 0x1c, 1)
    .out8(STATUS, 0x0f);
}
/** Notifies of a first request and sleeps. */
const sleeper = (kernel: TinyKernel) => kernel.store32(AVAILABLE, 0x10000).out16(NOTIFY, 0).raw(STI, HLT, 0xeb, 0xfd);
const describe = (kernel: TinyKernel, index: number, gpa: number, length: number, flagsAndNext: number) =>
  kernel
    .store32(QUEUE + 16 * index, gpa)
    .store32(QUEUE + 16 * index + 8, length)
    .store32(QUEUE + 16 * index + 12, flagsAndNext);

/** Writes 512 bytes to sector 1 of the first virtio disk. */
function writer() {
  const kernel = driver();
  describe(kernel, 0, HEADER, 16, 0x10001);
  describe(kernel, 1, DATA, 512, 0x20001);
  describe(kernel, 2, REQUEST_STATUS, 1, 2);
  return sleeper(
    kernel
      .store32(HEADER, 1)
      .store32(HEADER + 8, 1)
      .store32(DATA, 0x12345678),
  );
}

/** Gives the page at DATA back, and says so. */
function inflater() {
  const kernel = driver()
    .store32(DATA, 0x12345678)
    .store32(HEADER, DATA / PAGE_SIZE)
    .out32(WINDOW + 0x44, 1);
  return sleeper(describe(kernel, 0, HEADER, 4, 0));
}

function setUp(ramBytes = 16 << 20, poolFactor = 1) {
  let bench: BenchPc | undefined;
  const memory: GuestMemory = {
    read: (gpa, into) => bench!.pc.memory.read(gpa, into),
    write: (gpa, bytes) => bench!.pc.memory.write(gpa, bytes),
  };
  const drive = new FakeDrive(memory);
  const drives: AttachedDrive[] = [{ interface: 'virtio', media: 'disk', drive }];
  bench = new BenchPc(
    { ramBytes, drives, boot: { kind: 'multiboot', kernel: writer().image(), modules: [], commandLine: '' } },
    poolFactor,
  );
  const word = (gpa: number) => {
    const bytes = new Uint8Array(4);
    bench.pc.memory.read(gpa, bytes);
    return new DataView(bytes.buffer).getUint32(0, true);
  };
  return { bench, pc: bench.pc, drive, word };
}

test('a guest writes to its disk and hears of the end', () => {
  const { bench, drive, word } = setUp();
  expect(bench.run(100_000)).toEqual({ kind: 'halted' });
  expect(drive.requests).toEqual([{ kind: 'write', offset: 512, ranges: [{ gpa: DATA, length: 512 }] }]);
  drive.completeAll();
  expect(bench.run(100_000)).toEqual({ kind: 'halted' });
  expect([word(COUNTER), word(USED), word(USED + 8)]).toEqual([1, 0x10000, 1]);
  expect(new DataView(drive.content.buffer).getUint32(512, true)).toBe(0x12345678);
});

test('a request that was under way has ended when the restored guest runs', () => {
  const { bench, pc } = setUp();
  bench.run(100_000);
  const devices = pc.saveDevices();
  const memory = new Uint8Array(pc.ramBytes);
  pc.memory.read(0, memory);

  const other = setUp();
  other.pc.loadDevices(devices);
  for (let gpa = 0; gpa < memory.length; gpa += PAGE_SIZE) {
    if (gpa < 0xa0000 || gpa >= 0x100000) other.pc.memory.write(gpa, memory.subarray(gpa, gpa + PAGE_SIZE));
  }
  other.pc.endPending();
  expect(other.bench.run(100_000)).toEqual({ kind: 'halted' });
  expect([other.word(COUNTER), other.word(USED), other.drive.held.length]).toEqual([1, 0x10000, 0]);
});

test('the end of a request waits for a free page', () => {
  const { bench, pc, drive, word } = setUp(64 << 20, 0);
  bench.run(100_000);
  const first = 0x400000 / PAGE_SIZE;
  let taken = first;
  while (pc.core.freePages() > 0) pc.core.pageForWrite(taken++);
  drive.completeAll();
  expect([pc.runSlice(1000), pc.runSlice(1000)]).toEqual([{ kind: 'pool-exhausted' }, { kind: 'pool-exhausted' }]);
  pc.core.clearPage(first); // one page of the two that it takes
  expect(pc.runSlice(1000)).toEqual({ kind: 'pool-exhausted' });
  pc.core.clearPage(first + 1);
  expect(bench.run(100_000)).toEqual({ kind: 'halted' });
  expect([word(COUNTER), word(USED), word(USED + 8)]).toEqual([1, 0x10000, 1]);
});

test('a page that the guest gives back takes no memory and reads as zero', () => {
  const bench = new BenchPc({ balloon: true, boot: { kind: 'multiboot', kernel: inflater().image(), modules: [], commandLine: '' } });
  const { pc } = bench;
  expect(bench.run(100_000)).toEqual({ kind: 'halted' });
  const bytes = new Uint8Array(4);
  pc.memory.read(COUNTER, bytes);
  expect([bytes[0], pc.balloonedPages()]).toEqual([1, 1]);
  pc.memory.read(DATA, bytes);
  expect([[...bytes], pc.core.pageForRead(DATA / PAGE_SIZE)]).toEqual([[0, 0, 0, 0], pc.core.pageForRead(0x300000 / PAGE_SIZE)]);
});

test('a new balloon target interrupts the guest', () => {
  const bench = new BenchPc({
    balloon: true,
    boot: { kind: 'multiboot', kernel: driver().raw(STI, HLT, 0xeb, 0xfd).image(), modules: [], commandLine: '' },
  });
  bench.run(100_000);
  bench.pc.setBalloonTarget(1e9);
  bench.run(100_000);
  const bytes = new Uint8Array(1);
  bench.pc.memory.read(COUNTER, bytes);
  expect([bytes[0], bench.pc.balloonedPages()]).toEqual([1, 0]);
});

const drive = new FakeDrive({ read() {}, write() {} });
const attached = (kind: AttachedDrive['interface'], count = 1, media: AttachedDrive['media'] = 'disk') =>
  Array.from({ length: count }, (_, i): AttachedDrive =>
    media === 'disk' ? { interface: kind, media, drive } : { interface: kind, media, drive, name: `${kind}${i}`, serial: 'CD' },
  );
const build = (drives: AttachedDrive[]) => new BenchPc({ drives, boot: { kind: 'none' } });

test('controllers are there when they have drives, and are loaded before what hangs on them', () => {
  const names = (drives: AttachedDrive[]) =>
    build(drives)
      .pc.saveDevices()
      .map(({ name }) => name);
  const none = names([]);
  const plugged = (drives: AttachedDrive[]) => names(drives).filter(name => !none.includes(name));
  expect(plugged([...attached('scsi', 2), ...attached('virtio'), ...attached('ide', 2), ...attached('ide', 1, 'cdrom')])).toEqual([
    ...['ide', 'ide0', 'ide1', 'ide2'],
    'virtio-scsi',
    'virtio-blk-0',
  ]);
});

test('CD-ROM drives are told by their disks: a disc goes in, out, and a pressed button is heard', () => {
  const { pc } = build([...attached('ide', 2, 'disk'), ...attached('ide', 2, 'cdrom'), ...attached('scsi', 1, 'cdrom')]);
  expect(pc.trays()).toEqual(['ide0', 'ide1', 'scsi0'].map(disk => ({ disk, isLocked: false, isOpen: false })));
  const medium = () =>
    pc.saveDevices().flatMap(({ name, state }) => {
      const unit = name === 'ide3' ? (state as { unit: { mediumBytes: number; event: number } }).unit : undefined;
      return unit ? [unit.mediumBytes, unit.event] : [];
    });
  pc.changeMedium('ide1', undefined);
  expect(medium()).toEqual([0, 3]);
  pc.changeMedium('ide1', drive);
  expect(medium()).toEqual([drive.sizeBytes, 2]);
  pc.pressEject('ide1');
  expect(medium()).toEqual([drive.sizeBytes, 1]);
  expect(() => pc.pressEject('disk7')).toThrow(/disk7 is no CD-ROM drive/);
});

test('an empty drive is no virtio block device', () => {
  const empty: AttachedDrive = { interface: 'virtio', media: 'cdrom', name: 'disk0', serial: 'CD', drive: undefined };
  expect(() => build([empty])).toThrow(/no drive that can be empty/);
  expect(build([{ ...empty, interface: 'scsi' }]).pc.trays()).toHaveLength(1);
});

test('a machine refuses what it has no slots for', () => {
  for (const [kind, most] of [
    ['virtio', 27],
    ['ide', 4],
    ['scsi', 256],
  ] as const) {
    expect(() => build(attached(kind, most))).not.toThrow();
    expect(() => build(attached(kind, most + 1))).toThrow(ConfigError);
  }
});

/** mov dx, PORT; in eax, dx; mov [gpa], eax */
const inDword = (kernel: TinyKernel, port: number, gpa: number) =>
  kernel.raw(0x66, 0xba, port & 0xff, port >> 8, 0xed, 0xa3, gpa & 0xff, (gpa >> 8) & 0xff, (gpa >> 16) & 0xff, gpa >>> 24);

test('an IDE disk answers at its ports, by interrupt 14; a disk and a CD-ROM on the SCSI host at its slot', () => {
  const kernel = new TinyKernel()
    .interrupts(0xfb)
    .handler(0x2e, inner => inner.increment(COUNTER).in8(0x1f7).out8(0xa0, 0x20).out8(0x20, 0x20));
  kernel.out8(0xa1, 0xbf).store32(COUNTER, 0).out8(0x1f6, 0xe0).out8(0x1f7, 0xec).raw(STI);
  inDword(kernel, 0x1f0, DATA);
  kernel.out32(0xcf8, 0x80002000);
  inDword(kernel, 0xcfc, DATA + 4);
  kernel.out32(0xcf8, 0x80000900);
  inDword(kernel, 0xcfc, DATA + 8);
  const bench = new BenchPc({
    drives: [...attached('ide'), ...attached('scsi'), ...attached('scsi', 1, 'cdrom')],
    boot: { kind: 'multiboot', kernel: kernel.raw(HLT).image(), modules: [], commandLine: '' },
  });
  expect(bench.run(100_000)).toEqual({ kind: 'halted' });
  const bytes = new Uint8Array(12);
  bench.pc.memory.read(DATA, bytes);
  const count = new Uint8Array(1);
  bench.pc.memory.read(COUNTER, count);
  expect([...new Uint32Array(bytes.buffer)]).toEqual([0x00020040, 0x10481af4, 0x70108086]);
  expect(count[0]).toBe(1);
});
