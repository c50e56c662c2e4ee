/** A machine that has been on for years: its clocks are right, it goes on as before, and its state is one that a reader takes. */
import { expect, test } from 'vitest';
import { restoreInto, takeFrom } from '#test/support/bench-checkpoint.ts';
import { BenchPc, RTC_START } from '#test/support/bench-pc.ts';
import { HLT, STI, TinyKernel } from '#test/support/tiny-kernel.ts';
import { decodeState, encodeState } from '../state/state.ts';

const INTERRUPTS = 0x200000;
const PM_TIMER = 0x200004;
const HPET = 0x200008;
const RTC = 0x20000c;
const SECOND = 1_000_000_000n;
const YEAR = 365n * 86_400n * SECOND;
const le32 = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
/** mov eax, [from]; mov [to], eax */
const copy = (kernel: TinyKernel, from: number, to: number) => kernel.raw(0xa1, ...le32(from), 0xa3, ...le32(to));

/** At each of 1,000 timer interrupts a second it notes the PM timer, the HPET's counter, and the RTC's seconds, minutes and hours. */
function clocks(): Uint8Array {
  const kernel = new TinyKernel().interrupts(0xfe).handler(0x20, inner => {
    inner.increment(INTERRUPTS).raw(0x66, 0xba, 0x08, 0x06, 0xed, 0xa3, ...le32(PM_TIMER)); // mov dx, 608h; in eax, dx; mov [PM_TIMER], eax
    copy(inner, 0xfed000f0, HPET);
    for (const [byte, register] of [0, 2, 4].entries())
      inner
        .out8(0x70, register)
        .in8(0x71)
        .raw(0xa2, ...le32(RTC + byte)); // mov [RTC + byte], al
  });
  kernel.store32(0xfed00010, 1).out8(0x43, 0x34).out8(0x40, 0xa9, 0x04).raw(STI);
  return kernel.raw(HLT, 0xeb, 0xfd).image();
}

function word({ pc }: BenchPc, address: number): number {
  const bytes = new Uint8Array(4);
  pc.memory.read(address, bytes);
  return new DataView(bytes.buffer).getUint32(0, true);
}

/** How far `seen` is behind `now` on a counter of so many values. */
const behind = (now: bigint, seen: number, values: bigint) => Number((((now - BigInt(seen)) % values) + values) % values);

test.each([0.1, 0.3, 1, 3, 30, 290])('%s years', async years => {
  const bench = new BenchPc({ boot: { kind: 'multiboot', kernel: clocks(), modules: [], commandLine: '' } }, 2);
  const { pc } = bench;
  let total = 0n;
  const step = (ns: number) => {
    const before = BigInt(pc.nowNs()) + BigInt(pc.takenOffNs());
    const until = pc.nowNs() + pc.takenOffNs() + ns;
    while (pc.nowNs() + pc.takenOffNs() < until) {
      if (pc.runSlice(1e6).kind !== 'halted') continue;
      pc.advanceTimeNs(Math.min(pc.nextDeadlineNs()! - pc.nowNs(), 1e6));
    }
    total += BigInt(pc.nowNs()) + BigInt(pc.takenOffNs()) - before;
  };
  step(5_500_000);
  const leap = (BigInt(Math.round(years * 1000)) * YEAR) / 1000n;
  for (let left = leap; left > 0n;) {
    const part = left < YEAR ? left : YEAR;
    pc.advanceTimeNs(Number(part));
    total += part;
    left -= part;
  }
  const before = word(bench, INTERRUPTS);
  step(50_000_000);
  expect(Math.abs(word(bench, INTERRUPTS) - before - 50)).toBeLessThanOrEqual(2);
  expect(behind((total * 3_579_545n) / SECOND, word(bench, PM_TIMER), 1n << 24n)).toBeLessThan(3 * 3580);
  expect(behind(total / 10n, word(bench, HPET), 1n << 32n)).toBeLessThan(3 * 100_000);
  const bcd = (byte: number) => (byte >> 4) * 10 + (byte & 15);
  const [seconds, minutes, hours] = [0, 8, 16].map(shift => bcd((word(bench, RTC) >> shift) & 0xff));
  const day = BigInt(seconds! + 60 * minutes! + 3600 * hours!);
  expect(behind((BigInt(RTC_START) + total / SECOND) % 86_400n, Number(day), 86_400n)).toBeLessThanOrEqual(1);

  const states = pc.saveDevices();
  expect(states.map(({ name, version, state }) => [name, version, decodeState(encodeState(state), name)])).toEqual(
    states.map(({ name, version, state }) => [name, version, state]),
  );
  const store = await takeFrom(bench, () => step(1_000_000));
  const restored = new BenchPc({ boot: { kind: 'none' } });
  restoreInto(restored, store);
  const behindNs = pc.nowNs() - restored.pc.nowNs();
  expect(behindNs).toBeGreaterThan(0);
  const again = new BenchPc({ boot: { kind: 'none' } });
  restoreInto(again, store);
  restored.run(3_000_000);
  again.run(3_000_000, undefined, 1000);
  expect(again.pc.stateHash()).toBe(restored.pc.stateHash());
  expect(word(restored, INTERRUPTS)).toBeGreaterThan(before + 50);
});
