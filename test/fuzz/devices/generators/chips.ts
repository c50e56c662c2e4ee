/** The chips of the board: mostly their own ports and registers, with values from the edges; some sequences that a driver would do. */
import type { Emit } from '../emit.ts';

const ports =
  (all: readonly number[]) =>
  (emit: Emit): void => {
    const port = emit.random.pick(all);
    if (emit.chance(40)) emit.in(port, emit.chance(90) ? 1 : emit.size());
    else emit.out(port, emit.chance(90) ? 1 : emit.size(), emit.chance(70) ? emit.byte() : emit.word());
  };
const range = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

export function pic(emit: Emit) {
  const { random } = emit;
  switch (random.below(8)) {
    case 0: // as an operating system sets them up
      for (const base of [0x20, 0xa0]) {
        emit.out8(base, 0x11);
        emit.out8(base + 1, base === 0x20 ? 0x20 : 0x28, base === 0x20 ? 4 : 2, emit.chance(80) ? 1 : 3, emit.chance(70) ? 0 : emit.byte());
      }
      return;
    case 1:
      ports([0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1])(emit);
      return;
    case 2:
      emit.out8(random.pick([0x21, 0xa1]), emit.chance(60) ? 0 : emit.byte());
      return;
    default:
      emit.add({ kind: 'acknowledge' });
      if (emit.chance(80)) emit.out8(0xa0, 0x20);
      if (emit.chance(90)) emit.out8(0x20, 0x20);
  }
}

export function pit(emit: Emit) {
  const { random } = emit;
  if (emit.chance(30)) return ports([0x40, 0x41, 0x42, 0x43, 0x61])(emit);
  const counter = random.below(3);
  emit.out8(0x43, (counter << 6) | 0x30 | (random.below(8) << 1) | (emit.chance(10) ? 1 : 0));
  emit.out8(0x40 + counter, random.pick([0, 1, 2, 0xff, emit.byte()]), random.pick([0, 0, 4, 0xff, emit.byte()]));
  if (counter === 2) emit.out8(0x61, random.below(4));
  if (emit.chance(50)) emit.advance(random.pick([1, 838, 10_000, 1e6, 55e6]));
}

export function rtc(emit: Emit) {
  emit.out8(0x70, emit.chance(80) ? emit.random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0x32]) : emit.byte());
  if (emit.chance(40)) emit.in(0x71);
  else emit.out8(0x71, emit.chance(50) ? emit.random.pick([0x26, 0x2f, 0x42, 0x12, 0x22, 0x82, 0x72, 0xc0, 0x59]) : emit.byte());
}

export function keyboard(emit: Emit) {
  const { random } = emit;
  switch (random.below(6)) {
    case 0:
      emit.add({ kind: 'keys', bytes: Array.from({ length: 1 + random.below(20) }, () => emit.byte()) });
      return;
    case 1:
      emit.out8(0x64, random.pick([0x20, 0x60, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xad, 0xae, 0xc0, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4]));
      if (emit.chance(60)) emit.out8(0x60, emit.byte() | (emit.chance(95) ? 1 : 0));
      return;
    case 2:
      emit.out8(0x60, random.pick([0xed, 0xee, 0xf0, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xfe, 0xff, emit.byte()]));
      return;
    case 3:
      if (emit.chance(2)) {
        emit.resets++;
        emit.out8(0x64, 0xfe);
      }
      return;
    default:
      emit.in(random.pick([0x60, 0x64]));
  }
}

export function serial(emit: Emit) {
  const index = emit.random.pick([0, 1] as const);
  if (emit.chance(20))
    emit.add({ kind: 'serial', index, bytes: Array.from({ length: emit.random.below(emit.chance(90) ? 40 : 2000) }, () => emit.byte()) });
  else ports(range(index === 0 ? 0x3f8 : 0x2f8, 8))(emit);
  if (emit.chance(20)) emit.out8((index === 0 ? 0x3f8 : 0x2f8) + 4, 0x0b);
}

export function hpet(emit: Emit) {
  const { random } = emit;
  const BASE = 0xfed00000;
  const timer = 0x100 + 0x20 * random.below(3);
  const offset = random.pick([0, 4, 0x10, 0x10, 0x20, 0xf0, 0xf4, timer, timer, timer + 8, timer + 8, timer + 12, random.below(0x400)]);
  const value =
    offset === 0x10 ? random.below(4) : offset === timer ? random.below(0x200) | (random.pick([0, 5, 10, 11]) << 9) : emit.word();
  if (emit.chance(25)) emit.add({ kind: 'load', gpa: BASE + offset, size: emit.size() });
  else emit.add({ kind: 'store', gpa: BASE + (offset & ~3), size: 4, value: value >>> 0 });
  if (emit.chance(30)) emit.advance(random.pick([10, 100, 12_345, 1e6]));
}

export function acpi(emit: Emit) {
  const { random } = emit;
  switch (random.below(10)) {
    case 0:
      emit.add({ kind: 'power-button' });
      return;
    case 1:
      emit.out8(0xb2, random.pick([0xf0, 0xf1, emit.byte()]));
      return;
    case 2:
    case 3:
    case 4:
      ports(range(0x600, 12))(emit);
      return;
    default:
      emit.out(random.pick([0x600, 0x602, 0x602, 0x604]), 2, random.pick([1, 0x20, 0x100, 0x121, 0x3401, emit.word()]) & 0xffff);
  }
}

export function board(emit: Emit) {
  const { random } = emit;
  switch (random.below(7)) {
    case 0:
      ports([...range(0, 16), ...range(0x80, 16), ...range(0xc0, 32)])(emit);
      return;
    case 1:
      ports(range(0x3b4, 0x2c))(emit);
      return;
    case 2:
      emit.out8(random.pick([0x3d4, 0x3c4, 0x3ce]), random.below(0x20));
      emit.out8(random.pick([0x3d5, 0x3c5, 0x3cf]), emit.byte());
      return;
    case 3:
      emit.out8(random.pick([0xf0, 0x61, 0x92]), emit.byte() & 0xfe);
      return;
    case 4:
      emit.add({
        kind: emit.chance(50) ? 'load' : 'store',
        gpa: emit.chance(50) ? 0xa0000 + random.below(0x18000) : 0xc0000000 + random.below(0x3f000000),
        size: 4,
        value: emit.word(),
      });
      return;
    default:
      if (emit.chance(50)) emit.in(random.next() & 0xffff, emit.size());
      else emit.out(random.pick([random.next() & 0xffff, 0x400 + random.below(0x200)]) & 0xffff, emit.size(), emit.word());
  }
}
