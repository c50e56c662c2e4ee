/** Configuration space: reads and writes of all functions, capabilities' windows, BARs that are moved and put back. */
import type { Emit } from '../emit.ts';

const ADDRESS = 0xcf8;
const DATA = 0xcfc;

function select(emit: Emit, devfn: number, offset: number) {
  emit.out(ADDRESS, 4, (0x80000000 | (devfn << 8) | (offset & 0xfc)) >>> 0);
}

export function pci(emit: Emit) {
  const { random } = emit;
  const slots = [0, 8, 8, 9, 11, ...emit.places.map(({ slot }) => slot << 3)];
  const devfn = emit.chance(95) ? random.pick(slots) : random.below(256);
  switch (random.below(6)) {
    case 0: {
      // INTx off and on, decoding off and on
      select(emit, devfn, 4);
      emit.out(DATA, 2, random.pick([0, 1, 5, 7, 0x405, emit.word() & 0xffff]));
      if (emit.chance(90)) emit.out(DATA, 2, 7);
      return;
    }
    case 1: {
      const offset = random.pick([0x60, 0x60, 0x10, 0x20, 0x3c]);
      select(emit, offset === 0x60 ? 8 : devfn, offset);
      emit.out(DATA, 4, offset === 0x60 ? random.pick([0x0b0a0b0a, 0x80808080, 0x0b0a0b0a, emit.word()]) : emit.word());
      if (offset === 0x60 && emit.chance(80)) emit.out(DATA, 4, 0x0b0a0b0a);
      if (offset === 0x10 || offset === 0x20) putBack(emit, devfn, offset);
      return;
    }
    case 2: {
      // through the window in the last capability (virtio)
      const { slot } = random.pick(emit.places);
      const last = 0x40 + 16 + 20 + 16 + 16;
      select(emit, slot << 3, last + 8);
      emit.out(DATA, 4, random.below(0x90));
      select(emit, slot << 3, last + 12);
      emit.out(DATA, 4, random.pick([1, 2, 4, 4, emit.byte()]));
      select(emit, slot << 3, last + 16);
      if (emit.chance(50)) emit.in(DATA, 4);
      else emit.out(DATA, 4, random.pick([0, 1, 2, emit.word()]));
      return;
    }
    default:
      select(emit, devfn, emit.byte());
      if (emit.chance(70)) emit.in(DATA + random.below(4), emit.size());
      else emit.out(DATA + random.below(4), emit.size(), emit.word());
      for (const { slot } of emit.places) if (slot << 3 === devfn) putBack(emit, devfn, 0x10);
      if (devfn === 9) putBack(emit, devfn, 0x20);
  }
}

/** A window that stays away is no longer reached. */
function putBack(emit: Emit, devfn: number, offset: number) {
  const place = emit.places.find(({ slot, deviceId }) => (deviceId === 0x7010 ? 9 : slot << 3) === devfn);
  if (!place || emit.chance(5)) return;
  select(emit, devfn, offset);
  emit.out(DATA, 4, place.base);
  select(emit, devfn, 4);
  emit.out(DATA, 2, 7);
}
