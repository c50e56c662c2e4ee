/** Exactness with a disk: with virtual pacing neither taking a checkpoint nor going on from one can be told from a run without, though operations are pending. */
import { expect, test } from 'vitest';
import { deriveReferences, memoryStats } from '#engine/memory/mmm.ts';
import { STI, TinyKernel } from '#test/support/tiny-kernel.ts';
import { DiskPc } from './testing/disk-pc.ts';

/** The first PCI window, and what lies in it (devices/virtio/virtio-pci.ts). IRQ 11. */
const WINDOW = 0xc000;
const [STATUS, ISR, NOTIFY] = [WINDOW + 0x14, WINDOW + 0x38, WINDOW + 0x3c];
const VECTOR = 0x2b;

const [QUEUE, AVAILABLE, USED] = [0x200000, 0x201000, 0x202000];
const [READ, WRITE, RESULTS] = [0x203000, 0x203100, 0x205000]; // headers, status bytes
const [COUNTER, ROUND] = [0x206000, 0x206004];
/** Eight pages each. */
const [INTO, FROM] = [0x300000, 0x310000];
const le32 = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

/**
 * Computes on 2 MiB and on the page that was read into last, beside the block; and then, round by round, reads a block into another page and writes it from a
 * third while both requests are pending: the hazard of Fig. 3D.
 */
function diskUser(): Uint8Array {
  const kernel = new TinyKernel().interrupts(0xfb).handler(VECTOR, inner => inner.increment(COUNTER).in8(ISR).out8(0xa0, 0x20));
  kernel.out8(0xa1, 0xf7).out8(STATUS, 0x03);
  kernel
    .out32(WINDOW + 0x08, 1)
    .out32(WINDOW + 0x0c, 1)
    .out8(STATUS, 0x0b)
    .out16(WINDOW + 0x16, 0)
    .out16(WINDOW + 0x18, 8)
    .out32(WINDOW + 0x20, QUEUE)
    .out32(WINDOW + 0x28, AVAILABLE)
    .out32(WINDOW + 0x30, USED)
    .out16(WINDOW + 0x1c, 1)
    .out8(STATUS, 0x0f);
  const describe = (index: number, gpa: number, length: number, flags: number) =>
    kernel
      .store32(QUEUE + 16 * index, gpa)
      .store32(QUEUE + 16 * index + 8, length)
      .store32(QUEUE + 16 * index + 12, flags | ((flags & 1) === 1 ? (index + 1) << 16 : 0));
  describe(0, READ, 16, 1);
  describe(1, INTO, 512, 3);
  describe(2, RESULTS, 1, 2);
  describe(3, WRITE, 16, 1);
  describe(4, FROM, 512, 1);
  describe(5, RESULTS + 1, 1, 2);
  kernel.store32(READ, 0).store32(WRITE, 1);
  for (let entry = 0; entry < 4; entry++) kernel.store32(AVAILABLE + 4 + 4 * entry, 0x30000);
  kernel.raw(STI, 0x31, 0xdb, 0xbf, ...le32(INTO)); // xor ebx, ebx; mov edi, INTO
  const loop = kernel.here;
  kernel.raw(0xb9, ...le32(60_000)); // mov ecx, 60000: longer than a write and the flush that follows it take
  const walk = kernel.here;
  kernel
    .raw(0x81, 0xc3, ...le32(0x12735)) // add ebx, 12735h
    .raw(0x81, 0xe3, ...le32(0x1ffffc)) // and ebx, 1ffffch
    .raw(0x03, 0x83, ...le32(0x400000)) // add eax, [ebx + 400000h]
    .raw(0x40) // inc eax
    .raw(0x89, 0x83, ...le32(0x400000)) // mov [ebx + 400000h], eax
    .raw(0xff, 0x87, ...le32(0x800)); // inc dword [edi + 800h]
  kernel.raw(0x49, 0x0f, 0x85, ...le32(walk - (kernel.here + 7))); // dec ecx; jnz walk
  kernel
    .raw(0x8b, 0x35, ...le32(ROUND)) // mov esi, [ROUND]
    .increment(ROUND)
    .raw(0x83, 0xe6, 0x07, 0xc1, 0xe6, 0x0c) // and esi, 7; shl esi, 12
    .raw(0x8d, 0xbe, ...le32(INTO)) // lea edi, [esi + INTO]
    .raw(0x03, 0x07, 0x01, 0x86, ...le32(FROM)) // add eax, [edi]; add [esi + FROM], eax
    .raw(0x89, 0x3d, ...le32(QUEUE + 16)) // mov [the read's data], edi
    .raw(0x8d, 0x96, ...le32(FROM)) // lea edx, [esi + FROM]
    .raw(0x89, 0x15, ...le32(QUEUE + 64)) // mov [the write's data], edx
    .raw(0xc1, 0xee, 0x09) // shr esi, 9
    .raw(0x89, 0x35, ...le32(READ + 8), 0x89, 0x35, ...le32(WRITE + 8)) // mov [sector], esi
    .raw(0x66, 0x83, 0x05, ...le32(AVAILABLE + 2), 2) // add word [AVAILABLE + 2], 2
    .out16(NOTIFY, 0)
    .jumpTo(loop);
  return kernel.image();
}

const boot = { kind: 'multiboot', kernel: diskUser(), modules: [], commandLine: '' } as const;
/** All pages have been in use once. */
const FIRST = 4_000_000;
const ROUND_LENGTH = 500_000;
const REST = 2_000_000;
const ID = 'checkpoint1';

/** Of a ring: how many requests were put there, or given back. */
function index(machine: DiskPc, ring: number): number {
  const bytes = new Uint8Array(2);
  machine.pc.memory.read(ring + 2, bytes);
  return bytes[0]! | (bytes[1]! << 8);
}

/** Runs to an instruction that has `pending` requests under way. */
function runTo(machine: DiskPc, pending: number): number {
  machine.run(FIRST, { eagerly: false });
  for (let i = 0; i < 1000 && machine.channel.pendingOperations().length !== pending; i++) machine.run(1000, { eagerly: false });
  expect(machine.channel.pendingOperations()).toHaveLength(pending);
  return machine.pc.instructionCount();
}

/** Takes a checkpoint, the guest running on meanwhile, and goes on to the end. */
async function throughCheckpoint(machine: DiskPc, rest: number, keepInRam = false) {
  const world = machine.asWorld();
  const [pointer] = world.take(ID, { keepInRam });
  let left = rest - ROUND_LENGTH;
  machine.run(ROUND_LENGTH, { eagerly: false }); // the checkpoint worker has not begun
  while (!world.isDone(ID) && left > 0) {
    const budget = Math.min(left, 7_001);
    machine.run(budget, { slice: 977, eagerly: false });
    left -= budget;
    await world.turn();
    world.loop.step();
  }
  expect(world.stateOf(ID)).toMatchObject({ kind: 'done' });
  machine.run(left);
  return { world, pointer: pointer!, layer: pointer!.layer };
}

test('a run with a checkpoint while a read and a write of the same block are pending ends as one without', async () => {
  const ongoing = new DiskPc(boot);
  const count = runTo(ongoing, 2);
  expect(ongoing.channel.hasReadThenWrite()).toBe(true);
  const plain = new DiskPc(boot);
  plain.run(count + REST);

  const { world, layer } = await throughCheckpoint(ongoing, REST);
  expect(memoryStats(ongoing.memory).cowFaults).toBeGreaterThan(100);
  expect(ongoing.state()).toEqual(plain.state());

  // Steps 912 and 914: what was pending has ended in every machine that goes on from there.
  const ends = [1, 2].map(() => {
    const restored = DiskPc.restored(world, ID, layer);
    expect(restored.channel.pendingOperations()).toEqual([]);
    restored.run(1000);
    expect(index(restored, USED)).toBe(index(restored, AVAILABLE));
    restored.run(REST);
    return restored.state();
  });
  expect(ends[0]).toEqual(ends[1]);
});

test('a machine restored from a checkpoint between two requests ends as one that was never checkpointed', async () => {
  const ongoing = new DiskPc(boot);
  const count = runTo(ongoing, 0);
  const plain = new DiskPc(boot);
  plain.run(count);
  const middle = plain.state();
  plain.run(REST);
  const end = plain.state();
  expect(end.disk).not.toBe(middle.disk);

  const { world, layer } = await throughCheckpoint(ongoing, REST);
  expect(ongoing.state()).toEqual(end);
  const restored = DiskPc.restored(world, ID, layer);
  expect(restored.state()).toEqual(middle);
  restored.run(REST, { slice: 3001, eagerly: false });
  expect(restored.state()).toEqual(end);
});

test.each([
  { way: 'ram', pending: 2 },
  { way: 'ram', pending: 0 },
  { way: 'file', pending: 2 },
  { way: 'file', pending: 0 },
])(
  'a machine that goes back ($way), itself with requests under way, is the one that another world restores ($pending pending at the checkpoint)',
  async ({ way, pending }) => {
    const machine = new DiskPc(boot);
    runTo(machine, pending);
    const { world, pointer } = await throughCheckpoint(machine, REST, way === 'ram');
    const restored = DiskPc.restored(world, ID, pointer.layer);
    const start = restored.state();
    restored.run(REST);
    const end = restored.state();

    for (const atRevert of [2, 0, 2]) {
      for (let i = 0; i < 1000 && machine.channel.pendingOperations().length !== atRevert; i++) machine.run(1000, { eagerly: false });
      expect(machine.channel.pendingOperations()).toHaveLength(atRevert);
      world.ask('let-go', {});
      expect(world.revert(ID, [pointer])).toBe(way);
      expect(machine.channel.pendingOperations()).toEqual([]);
      expect(machine.state()).toEqual(start);
      machine.run(REST / 2, { slice: 7001, eagerly: false });
      await world.turn(); // what is left of memory is loaded
      machine.run(REST / 2);
      expect(machine.state()).toEqual(end);
      deriveReferences(machine.memory);
    }
  },
);

test('a machine that goes back from its file to one checkpoint and in RAM to another, half loaded each time, is each of them', async () => {
  const machine = new DiskPc(boot);
  runTo(machine, 0);
  const { world, pointer } = await throughCheckpoint(machine, ROUND_LENGTH + 100_000);
  world.ask('let-go', {});
  const first = DiskPc.restored(world, ID, pointer.layer).state();
  machine.run(REST);
  const [second] = world.take('checkpoint2', { keepInRam: true });
  await world.settle();
  expect(world.stateOf('checkpoint2')).toMatchObject({ kind: 'done' });
  world.ask('let-go', {});
  const later = DiskPc.restored(world, 'checkpoint2', second!.layer).state();
  for (let time = 0; time < 3; time++) {
    machine.run(70_000 * time);
    expect(world.revert(ID, [pointer])).toBe('file');
    const notLoaded = memoryStats(machine.memory).notLoaded;
    expect(notLoaded).toBeGreaterThan(100);
    machine.run(50_000);
    await world.turn();
    if (time === 1) expect(machine.run(1)).toBeUndefined();
    expect(world.revert('checkpoint2', [second!])).toBe('ram');
    expect(machine.state()).toEqual(later);
    machine.run(100_000);
    await world.turn();
    expect(world.revert(ID, [pointer])).toBe('file');
    expect(machine.state()).toEqual(first);
    deriveReferences(machine.memory);
  }
});

test('a copy in RAM that waits for a file is given up for another file; batches of the first are not taken for the second', async () => {
  const machine = new DiskPc(boot);
  runTo(machine, 0);
  const { world, pointer } = await throughCheckpoint(machine, ROUND_LENGTH + 100_000);
  world.ask('let-go', {});
  machine.run(REST);
  const [other] = world.take('checkpoint0');
  await world.settle();
  world.ask('let-go', {});
  const first = DiskPc.restored(world, 'checkpoint0', other!.layer).state();
  world.take('checkpoint1b', { keepInRam: true });
  await world.settle();
  world.ask('let-go', {});
  machine.run(REST);
  world.loadsMemory = false;
  expect(world.revert(ID, [pointer])).toBe('file');
  machine.run(10);
  await world.turn(); // batches are under way
  const [half] = world.take('checkpoint2', { keepInRam: true });
  await world.settle();
  expect(world.stateOf('checkpoint2')).toMatchObject({ kind: 'done' });
  world.ask('let-go', {});
  expect(memoryStats(machine.memory).notLoaded).toBeGreaterThan(100);
  const second = DiskPc.restored(world, 'checkpoint2', half!.layer).state();
  machine.run(100_000);

  expect(world.software.idsInRam).toEqual(['checkpoint1b', 'checkpoint2']);
  expect(world.revert('checkpoint0', [other!])).toBe('file');
  expect(world.software.idsInRam).toEqual(['checkpoint1b']);
  await world.turn();
  world.loadsMemory = true;
  await world.turn();
  expect(machine.state()).toEqual(first);
  expect(world.revert('checkpoint2', [half!])).toBe('file');
  await world.turn();
  expect(machine.state()).toEqual(second);
  await world.settle();
  const { usedPages, notLoaded } = memoryStats(machine.memory);
  expect([notLoaded, usedPages]).toEqual([0, deriveReferences(machine.memory).size + 1]);
});
