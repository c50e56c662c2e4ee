/** Damage that knows where it hurts: fields of headers and tables get values from the edges, of other fields, or a little off; the rest gets random bytes. */
import type { Random } from './random.ts';

/** Where fields are: from `at` on, `length` bytes, each of `width`. */
export interface Spot {
  readonly at: number;
  readonly length: number;
  readonly width: 1 | 2 | 4 | 8;
  readonly little: boolean;
}

const EDGES = [
  0n,
  1n,
  2n,
  0x7fn,
  0xffn,
  0x200n,
  0xffffn,
  0x1_0000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_fffen,
  0xffff_ffffn,
  2n ** 53n,
  2n ** 62n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** What must be put back for the bytes to be as they were. */
export type Undo = () => void;

export function mutate(bytes: Uint8Array, spots: readonly Spot[], random: Random): Undo {
  const before: [number, Uint8Array][] = [];
  const keep = (at: number, length: number) => void before.push([at, bytes.slice(at, at + length)]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let count = 1 + random.below(4); count > 0; count--) {
    const how = random.below(10);
    if (how < 7 && spots.length > 0) {
      const { at, width, little } = fieldOf(random.pick(spots), bytes.length, random);
      if (at < 0) continue;
      keep(at, width);
      put(view, at, width, little, valueFor(view, at, width, little, spots, random));
    } else if (how < 9) {
      const at = random.below(bytes.length);
      const length = Math.min(bytes.length - at, 1 + random.below(16));
      keep(at, length);
      for (let i = 0; i < length; i++) bytes[at + i] = random.next();
    } else {
      const length = Math.min(bytes.length, 1 << random.below(10));
      const [from, to] = [random.below(bytes.length - length + 1), random.below(bytes.length - length + 1)];
      keep(to, length);
      bytes.copyWithin(to, from, from + length);
    }
  }
  return () => {
    for (const [at, old] of before.toReversed()) bytes.set(old, at);
  };
}

function fieldOf({ at, length, width, little }: Spot, size: number, random: Random): { at: number; width: 1 | 2 | 4 | 8; little: boolean } {
  const chosen = random.oneIn(4) ? random.pick([1, 2, 4, 8] as const) : width;
  const place = at + random.below(Math.max(1, Math.floor(length / width))) * width;
  return { at: place + chosen <= size ? place : -1, width: chosen, little };
}

function valueFor(view: DataView, at: number, width: number, little: boolean, spots: readonly Spot[], random: Random): bigint {
  const old = get(view, at, width, little);
  switch (random.below(6)) {
    case 0:
      return random.pick(EDGES);
    case 1:
      return old + BigInt(random.pick([-1, 1, -8, 8, -512, 512, 65_536]));
    case 2:
      return old ^ (1n << BigInt(random.below(width * 8)));
    case 3: {
      const other = fieldOf(random.pick(spots), view.byteLength, random);
      return other.at < 0 ? 0n : get(view, other.at, other.width, other.little);
    }
    case 4:
      return BigInt(random.below(view.byteLength * 2)) >> BigInt(random.pick([0, 0, 9, 12, 16]));
    default:
      return (BigInt(random.next()) << 32n) | BigInt(random.next());
  }
}

function get(view: DataView, at: number, width: number, little: boolean): bigint {
  if (width === 8) return view.getBigUint64(at, little);
  return BigInt(width === 4 ? view.getUint32(at, little) : width === 2 ? view.getUint16(at, little) : view.getUint8(at));
}

function put(view: DataView, at: number, width: number, little: boolean, value: bigint): void {
  if (width === 8) return view.setBigUint64(at, BigInt.asUintN(64, value), little);
  const number = Number(BigInt.asUintN(32, value));
  if (width === 4) view.setUint32(at, number, little);
  else if (width === 2) view.setUint16(at, number & 0xffff, little);
  else view.setUint8(at, number & 0xff);
}

const WORDS = [
  '',
  '0',
  '-1',
  '1',
  '99999999999999999999',
  '999999999999999',
  '4294967296',
  '../secret',
  '/secret',
  '/vm/disk',
  'disk',
  '"',
  '\n',
  '\0',
  'RW 1 ZERO\n',
  'RW 999999999999999 ZERO\n',
  'SPARSE',
  'FLAT',
  'ZERO',
  'NOACCESS',
  'RW',
  'parentFileNameHint="/secret"\n',
];

/** The same for a text: words are taken out, exchanged, doubled. */
export function mutateText(text: string, random: Random): string {
  const parts = text.split(/([\s"=]+)/);
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = random.below(parts.length);
    const how = random.below(4);
    if (how === 0) parts[at] = random.pick(WORDS);
    else if (how === 1) parts.splice(at, 1 + random.below(3));
    else if (how === 2) parts.splice(at, 0, ...parts.slice(at, at + random.below(40)));
    else parts[at] = random.pick(parts);
    if (parts.length === 0) parts.push('');
  }
  return parts.join('');
}
