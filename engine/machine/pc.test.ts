import { describe, expect, test } from 'vitest';
import { ConfigError, StateError } from '#engine/errors/errors.ts';
import { BENCH_CONFIG, BenchPc, RTC_START } from '#test/support/bench-pc.ts';
import { FakeDrive } from '#test/support/fake-drive.ts';
import { CLI, HLT, STI, TinyKernel } from '#test/support/tiny-kernel.ts';
import { FLAGS, INTR } from '../cpu/block.ts';
import type { GuestMemory } from '../devices/device.ts';
import { CPU_BLOCK } from '../memory/layout.ts';
import type { MachineConfig, SavedDevice } from './machine.ts';
import { GENERATION_ID } from './memory-map.ts';

const start = (kernel: TinyKernel, config: Partial<MachineConfig> = {}) =>
  new BenchPc({ boot: { kind: 'multiboot', kernel: kernel.image(), modules: [], commandLine: '' }, ...config });

const COUNTER = 0x200000;
/** Counts timer interrupts at 1 kHz in memory, writes a dot for each, and sleeps in between. */
const ticker = () => {
  const kernel = new TinyKernel().interrupts(0xfe).handler(0x20, inner => inner.increment(COUNTER).out8(0x3f8, 0x2e));
  kernel.out8(0x43, 0x34).out8(0x40, 0xa9, 0x04).raw(STI);
  return kernel.raw(HLT, 0xeb, 0xfd);
};
const counter = (bench: BenchPc) => {
  const bytes = new Uint8Array(4);
  bench.pc.memory.read(COUNTER, bytes);
  return new DataView(bytes.buffer).getUint32(0, true);
};

describe('ends of a slice', () => {
  const k = () => new TinyKernel();
  test.each([
    ['debug exit', k().out8(0xf4, 0x10).forever(), { kind: 'debug-exit', code: 0x21 }],
    ['ACPI power-off', k().out16(0x604, 0x3400).forever(), { kind: 'power-off' }],
    ['HLT with interrupts off', k().raw(CLI, HLT), { kind: 'halted-for-good' }],
    ['port 92h', k().out8(0x92, 0x03).forever(), { kind: 'reset', cause: 'port 92h' }],
    ['keyboard controller', k().out8(0x64, 0xfe).forever(), { kind: 'reset', cause: 'keyboard controller' }],
    ['CF9h', k().out8(0xcf9, 0x06).forever(), { kind: 'reset', cause: 'port CF9h' }],
    ['a triple fault', k().raw(0x0f, 0x0b), { kind: 'reset', cause: 'triple fault' }],
    ['the budget', k().forever(), { kind: 'budget' }],
  ])('%s', (_name, kernel, end) => {
    expect(start(kernel).run(100_000)).toEqual(end);
  });

  test('debug exit is an empty port unless asked for', () => {
    expect(start(k().out8(0xf4, 0x10).raw(CLI, HLT), { debugExit: false }).run(1000)).toEqual({ kind: 'halted-for-good' });
  });

  test('a budget is exact', () => {
    const { pc } = start(k().forever());
    pc.runSlice(12345);
    expect(pc.instructionCount()).toBe(12345);
  });
});

describe('a guest that has its devices do much for each instruction gets short slices', () => {
  const BUDGET = 1_000_000;
  /** Slices are short, and it gets on all the same. */
  function expectShort({ pc }: BenchPc) {
    const counts = [0, 1, 2].map(() => {
      const before = pc.instructionCount();
      expect(pc.runSlice(BUDGET)).toEqual({ kind: 'budget' });
      return pc.instructionCount() - before;
    });
    expect(counts.filter(count => count === 0 || count > BUDGET / 2)).toEqual([]);
  }

  test('a timer every ten instructions', () => {
    const kernel = new TinyKernel()
      .raw(CLI)
      .store32(0xfed00108, 1)
      .store32(0xfed00100, 0x14c | (5 << 9))
      .store32(0xfed00108, 1)
      .store32(0xfed00010, 1);
    const bench = new BenchPc({ boot: { kind: 'multiboot', kernel: kernel.forever().image(), modules: [], commandLine: '' } });
    expectShort(bench);
  });

  test('a bus master with a long table, over and over', () => {
    const TABLE = 0x300000;
    const kernel = new TinyKernel().raw(CLI).out32(0xc004, TABLE);
    const again = kernel.here;
    for (const [port, value] of [
      [0x1f2, 0],
      [0x1f6, 0xe0],
      [0x1f7, 0xc8],
      [0xc000, 9],
      [0xc000, 0],
      [0x3f6, 4],
      [0x3f6, 0],
    ] as const)
      kernel.out8(port, value);
    const memory: GuestMemory = {
      read: (gpa, into) => bench.pc.memory.read(gpa, into),
      write: (gpa, bytes) => bench.pc.memory.write(gpa, bytes),
    };
    const drive = new FakeDrive(memory);
    const bench: BenchPc = new BenchPc({
      drives: [{ interface: 'ide', media: 'disk', drive }],
      boot: { kind: 'multiboot', kernel: kernel.jumpTo(again).image(), modules: [], commandLine: '' },
    });
    for (let i = 0; i < 4096; i++) bench.pc.memory.write(TABLE + 8 * i, Uint8Array.of(0, 0, 0x20, 0, 2, 0, 0, 0));
    expectShort(bench);
  });
});

test('a kernel finds the memory types that firmware sets', () => {
  // mov ecx, MTRR_DEF_TYPE; rdmsr; mov edx, 3F8h; out dx, al; mov al, ah; out dx, al
  const kernel = new TinyKernel().raw(0xb9, 0xff, 0x02, 0, 0, 0x0f, 0x32, 0xba, 0xf8, 0x03, 0, 0, 0xee, 0x88, 0xe0, 0xee).raw(CLI, HLT);
  const bench = start(kernel);
  bench.run(1000);
  expect(bench.serial[0]).toBe('\x06\x0c');
});

test('serial output, and input that the guest echoes', () => {
  const kernel = new TinyKernel().out8(0x3f8, 0x3e);
  const loop = kernel.here;
  kernel.raw(0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xf7); // in al, 3FDh; test al, 1; jz loop
  kernel.raw(0x66, 0xba, 0xf8, 0x03, 0xec, 0xee).jumpTo(loop); // in al, 3F8h; out 3F8h, al
  const bench = start(kernel);
  bench.run(1000);
  expect(bench.serial[0]).toBe('>');
  expect(bench.pc.serialInput(0, new TextEncoder().encode('echo'))).toBe(4);
  bench.run(10_000);
  expect(bench.serial[0]).toBe('>echo');
});

test('the screen shows what the guest writes at B8000h', () => {
  const bench = start(new TinyKernel().store32(0xb8000, 0x07420741).forever());
  bench.run(100);
  expect([...bench.pc.screen()!.cells.subarray(0, 6)]).toEqual([0x41, 7, 0x42, 7, 0x20, 7]);
});

test('a screen whose page is not loaded yet is none while no page is free for it', () => {
  const bench = start(new TinyKernel().store32(0xb8000, 0x07420741).forever());
  bench.run(100);
  const { core } = bench.pc;
  core.clearPage(0xb8);
  core.expectPages(0xb8, 1);
  bench.pc.loadFrom({ load: gppn => void core.placePage(gppn) });
  const taken: number[] = [];
  for (let ppn; (ppn = core.reservePage()) !== 0;) taken.push(ppn);
  expect(bench.pc.screen()).toBeUndefined();
  for (const ppn of taken) core.returnPage(ppn);
  expect(bench.pc.screen()?.kind).toBe('text');
});

test('a sleeping guest is woken by its timer at the exact rate', () => {
  const bench = start(ticker());
  bench.run(50_000, () => bench.pc.nowNs() >= 1e9);
  expect(counter(bench)).toBeGreaterThanOrEqual(999);
  expect(counter(bench)).toBeLessThanOrEqual(1001);
  expect(bench.serial[0]).toBe('.'.repeat(counter(bench)));
});

test('the power button interrupts', () => {
  const kernel = new TinyKernel()
    .interrupts(0xfb)
    .handler(0x29, inner => inner.out8(0xf4, 0x01))
    .out8(0xa1, 0xfd);
  const bench = start(kernel.out16(0x602, 0x0100).raw(STI, HLT));
  expect(bench.run(10_000)).toEqual({ kind: 'halted' });
  bench.pc.pressPowerButton();
  expect(bench.run(10_000)).toEqual({ kind: 'debug-exit', code: 3 });
});

test('a key wakes the guest with IRQ1', () => {
  const kernel = new TinyKernel()
    .interrupts(0xfd)
    .handler(0x21, inner => inner.raw(0xe4, 0x60, 0xe6, 0xf4))
    .raw(STI, HLT);
  const bench = start(kernel);
  expect(bench.run(10_000)).toEqual({ kind: 'halted' });
  bench.pc.keyboardInput(Uint8Array.of(0x1e));
  expect(bench.run(10_000)).toEqual({ kind: 'debug-exit', code: 0x3d });
});

describe('exactness', () => {
  const run = (bench: BenchPc, instructions: number, slice: number) => {
    bench.run(instructions, undefined, slice);
    return bench.pc.stateHash();
  };

  test('two runs end alike, whatever the slices', () => {
    expect(run(start(ticker()), 20_000, 1000)).toBe(run(start(ticker()), 20_000, 777));
  });

  test('a machine loaded from a saved one goes on alike', () => {
    const first = start(ticker());
    run(first, 10_000, 1000);
    const saved = structuredClone(first.pc.saveDevices());
    const second = new BenchPc({ boot: { kind: 'none' } });
    for (let gpa = 0; gpa < 16 << 20; gpa += 4096) {
      const page = new Uint8Array(4096);
      first.pc.memory.read(gpa, page);
      second.pc.memory.write(gpa, page);
    }
    second.pc.loadDevices(saved);
    expect(second.pc.stateHash()).toBe(first.pc.stateHash());
    expect(run(second, 10_000, 1000)).toBe(run(first, 10_000, 1000));
  });

  test('the digest sees one byte of memory', () => {
    const bench = start(ticker());
    const before = bench.pc.stateHash();
    bench.pc.memory.write(0x300000, Uint8Array.of(1));
    expect(bench.pc.stateHash()).not.toBe(before);
    bench.pc.memory.write(0x300000, Uint8Array.of(0));
    expect(bench.pc.stateHash()).toBe(before);
  });
});

test('a damaged saved machine is refused and changes nothing', () => {
  const bench = start(ticker());
  bench.run(5000);
  const before = bench.pc.stateHash();
  const saved = bench.pc.saveDevices();
  for (const { name } of saved) {
    expect(() => bench.pc.loadDevices(saved.filter(device => device.name !== name))).toThrow(StateError);
    expect(() => bench.pc.loadDevices(saved.map(device => (device.name === name ? { ...device, state: {} } : device)))).toThrow(StateError);
  }
  expect(bench.pc.stateHash()).toBe(before);
});

test('reset boots again; time goes on', () => {
  const bench = start(ticker());
  bench.run(5000);
  const before = bench.pc.nowNs();
  bench.pc.reset();
  const dots = bench.serial[0].length;
  bench.run(5000);
  expect(bench.pc.nowNs()).toBeGreaterThan(before);
  expect(bench.serial[0].length).toBeGreaterThan(dots);
});

test('a machine that is filled later boots nothing before a reset', () => {
  const bench = new BenchPc({ boot: { kind: 'multiboot', kernel: ticker().image(), modules: [], commandLine: '' }, filledLater: true });
  const kernel = new Uint8Array(4096);
  bench.pc.memory.read(0x100000, kernel);
  expect(kernel.some(byte => byte !== 0)).toBe(false);
  bench.pc.reset();
  bench.run(5000);
  expect(bench.serial[0]).toMatch(/^\.+$/);
});

describe('a machine that was saved without what machines have now', () => {
  const boot = { kind: 'multiboot', kernel: ticker().image(), modules: [], commandLine: '' } as const;
  const NEW = ['virtio-rng', 'vm-generation'];
  /** As an older Cairn saved it. */
  function old(saved: SavedDevice[]): SavedDevice[] {
    return saved
      .filter(({ name }) => !NEW.includes(name))
      .map(device => {
        if (device.name === 'acpi-pm') {
          const { eventStatus: _, eventEnable: __, ...state } = device.state as Record<string, unknown>;
          return { ...device, version: 2, state };
        }
        if (device.name !== 'pci') return device;
        const { functions, ...rest } = device.state as { functions: Record<string, Uint8Array> };
        const { '02.0': _, ...left } = functions;
        return { ...device, state: { ...rest, functions: left } };
      });
  }
  const rngOf = (bench: BenchPc) => bench.pc.saveDevices().some(({ name }) => name === 'virtio-rng');

  test('goes on without an entropy device, until it is reset', () => {
    const first = new BenchPc({ boot, rng: true });
    first.run(5000);
    const second = new BenchPc({ boot, rng: true });
    second.pc.loadDevices(old(first.pc.saveDevices()));
    expect([rngOf(first), rngOf(second)]).toEqual([true, false]);
    const third = new BenchPc({ boot, rng: true });
    third.pc.loadDevices(second.pc.saveDevices());
    expect([
      rngOf(third),
      third.pc
        .saveDevices()
        .map(({ name }) => name)
        .includes('vm-generation'),
    ]).toEqual([false, true]);
    third.pc.reset();
    expect(rngOf(third)).toBe(true);
  });

  test.each(NEW)('but one that was saved with a place for %s has it', name => {
    const { pc } = new BenchPc({ boot, rng: true });
    const before = pc.stateHash();
    const saved = pc.saveDevices();
    expect(() => pc.loadDevices(saved.filter(device => device.name !== name))).toThrow(StateError);
    expect(() => pc.loadDevices([...old(saved), saved.find(device => device.name === name)!])).toThrow(StateError);
    expect(pc.stateHash()).toBe(before);
  });

  test('one whose user wants no entropy device has one while it goes on from where it had', () => {
    const having = new BenchPc({ boot, rng: true });
    const without = new BenchPc({ boot });
    expect([rngOf(having), rngOf(without)]).toEqual([true, false]);
    without.pc.loadDevices(having.pc.saveDevices());
    expect(rngOf(without)).toBe(true);
    without.pc.reset();
    expect(rngOf(without)).toBe(false);
  });
});

test('another generation is in memory and told by an ACPI event, and the host’s time moves the clock, at exact counts', () => {
  const guid = new Uint8Array(16).fill(0xab);
  const run = (slice: number) => {
    const bench = new BenchPc({ boot: { kind: 'multiboot', kernel: ticker().image(), modules: [], commandLine: '' } });
    const found = new Uint8Array(16);
    bench.pc.memory.read(GENERATION_ID, found);
    expect(found).toEqual(BENCH_CONFIG.generation);
    bench.run(3000, undefined, slice);
    bench.pc.changeGeneration(guid);
    bench.pc.setHostTime(RTC_START + 1e6);
    bench.run(3000, undefined, slice);
    bench.pc.memory.read(GENERATION_ID, found);
    expect(found).toEqual(guid);
    const acpi = bench.pc.saveDevices().find(({ name }) => name === 'acpi-pm')!.state as { eventStatus: number };
    expect(acpi.eventStatus).toBe(1 << 5);
    expect(Math.floor(bench.pc.hostTime())).toBe(RTC_START + 1e6);
    return bench.pc.stateHash();
  };
  expect(run(100)).toBe(run(1e6));
});

test('a machine without a boot source says so', () => {
  expect(() => new BenchPc({ boot: { kind: 'none' } }).pc.reset()).toThrow(ConfigError);
});

test.each([0, (3 << 20) + 1, 3 * 2 ** 20, 3073 * 2 ** 20])('%i bytes of memory are refused', ramBytes => {
  expect(() => new BenchPc({ ramBytes, boot: { kind: 'none' } })).toThrow(expect.objectContaining({ code: 'MEMORY_SIZE' }));
});

describe('x87 errors with CR0.NE = 0', () => {
  /** fninit; divide by zero unmasked; 1 / 0 */
  const divide = (kernel: TinyKernel) =>
    kernel.raw(0xdb, 0xe3, 0x68, 0x7b, 0x03, 0, 0, 0xd9, 0x2c, 0x24, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9);
  /** IRQ13 with F0h written: 'I', the handler reads the status and clears it. */
  const withHandler = () =>
    new TinyKernel()
      .interrupts(0xfb)
      .handler(0x2d, inner => inner.out8(0xf0, 0).raw(0x9b, 0xdb, 0xe2).out8(0x3f8, 0x49).out8(0xa0, 0x20)) // fwait; fnclex
      .out8(0xa1, 0xdf)
      .raw(STI);

  test('IRQ13 comes before the next instruction that waits; F0h lets the handler use the FPU', () => {
    const kernel = divide(withHandler()).out8(0x3f8, 0x61).raw(0xd9, 0xe8).out8(0x3f8, 0x62); // fld1
    const bench = start(divide(kernel).raw(0x9b).out8(0x3f8, 0x63).out8(0xf4, 0));
    expect(bench.run(10_000)).toEqual({ kind: 'debug-exit', code: 1 });
    expect(bench.serial[0]).toBe('aIbIc');
  });

  test('with interrupts off the processor waits, and its time passes', () => {
    const bench = start(divide(withHandler()).raw(CLI, 0x9b).out8(0x3f8, 0x61));
    expect(bench.run(10_000)).toEqual({ kind: 'budget' });
    expect([bench.serial[0], bench.pc.instructionCount()]).toEqual(['', 10_000]);
  });

  test('it is exact, whatever the slices', () => {
    const kernel = () => divide(withHandler()).raw(0x9b).out8(0x3f8, 0x61).forever();
    const hashes = [1, 7, 1000].map(slice => {
      const bench = start(kernel());
      bench.run(500, undefined, slice);
      return bench.pc.stateHash();
    });
    expect(new Set(hashes).size).toBe(1);
  });
});

test('MTRRs are as a BIOS leaves them', () => {
  const kernel = new TinyKernel();
  // mov ecx, n; rdmsr; mov [200000h + i], eax
  [0x2ff, 0x200, 0x201, 0x250, 0x259, 0x268].forEach((msr, i) =>
    kernel.raw(0xb9, msr & 0xff, msr >>> 8, 0, 0, 0x0f, 0x32, 0xa3, i * 4, 0, 0x20, 0),
  );
  kernel.raw(0xb9, 0xd9, 0x01, 0, 0, 0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x30, 0x0f, 0x32, 0xa3, 24, 0, 0x20, 0); // DEBUGCTL
  const bench = start(kernel.raw(CLI, HLT));
  expect(bench.run(1000)).toEqual({ kind: 'halted-for-good' });
  const bytes = new Uint8Array(28);
  bench.pc.memory.read(COUNTER, bytes);
  expect([...new Uint32Array(bytes.buffer)]).toEqual([0xc06, 0xc000_0000, 0xc000_0800, 0x0606_0606, 0, 0x0505_0505, 0]);
});

describe('an interrupt request that goes away before it is acknowledged', () => {
  /** The serial port's line as level-triggered IRQ4; its transmitter asks as soon as it may. */
  const requested = () =>
    new TinyKernel()
      .interrupts(0xef)
      .handler(0x24, inner => inner.out8(0xf4, 4))
      .handler(0x27, inner => inner.out8(0xf4, 7))
      .out8(0x4d0, 0x10)
      .out8(0x3fc, 0x08)
      .out8(0x3f9, 0x02);
  /** mov dx, 3FAh; in al, dx: the read takes the request back */
  const takeBack = (kernel: TinyKernel) => kernel.raw(0x66, 0xba, 0xfa, 0x03, 0xec);
  const pollMaster = (kernel: TinyKernel) => kernel.out8(0x20, 0x0c).raw(0xe4, 0x20, 0xe6, 0xf4); // OCW3 poll; in al, 20h; out F4h, al

  test('interrupts while it stands', () => {
    expect(start(requested().raw(STI).forever()).run(10_000)).toEqual({ kind: 'debug-exit', code: 9 });
  });
  test('leaves nothing behind: neither its own interrupt nor a spurious one', () => {
    expect(start(takeBack(requested()).raw(STI).forever()).run(10_000)).toEqual({ kind: 'budget' });
    expect(start(pollMaster(takeBack(requested()))).run(10_000)).toEqual({ kind: 'debug-exit', code: 1 });
  });
  test('in the acknowledge itself it is the spurious IRQ7', () => {
    const bench = start(requested().forever());
    bench.run(1000);
    const state = new DataView(bench.memory.buffer, CPU_BLOCK);
    bench.pc.loadDevices(
      bench.pc.saveDevices().map(device => (device.name === 'pic' ? { ...device, state: withoutRequests(device.state) } : device)),
    );
    // The processor has sampled INTR already.
    state.setUint32(INTR, 1, true);
    state.setUint32(FLAGS, 0x202, true);
    expect(bench.run(1000)).toEqual({ kind: 'debug-exit', code: 15 });
  });
});

function withoutRequests(state: unknown) {
  const pic = structuredClone(state) as { master: { irr: number; lines: number } };
  pic.master.irr = 0;
  pic.master.lines = 0;
  return pic;
}
