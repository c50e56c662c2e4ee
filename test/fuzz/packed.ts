/** Compressed bytes that were made to do harm: that unpack to far more than they may, or claim to, end too early, or come in thousands of parts. */
import { constants, deflateRawSync, zstdCompressSync } from 'node:zlib';
import type { Random } from './random.ts';

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const FULL = 1 << 21;
const u32 = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];

/** A zstd frame (RFC 8878) without compressed blocks: `windowExponent` 17 is 128 MiB, and nobody may want more. */
const frame = (windowExponent: number, blocks: readonly (readonly number[])[]): number[] => [
  ...MAGIC,
  0,
  windowExponent << 3,
  ...blocks.flat(),
];
const block = (type: number, size: number, last: boolean, ...bytes: number[]): number[] => {
  const header = (size << 3) | (type << 1) | Number(last);
  return [header & 0xff, (header >>> 8) & 0xff, (header >>> 16) & 0xff, ...bytes];
};
/** 128 KiB of one byte. */
const runs = (count: number) => Array.from({ length: count }, (_, i) => block(1, 1 << 17, i === count - 1, 7));
const EMPTY = frame(0, [block(0, 0, true)]);
const BYTE = frame(0, [block(0, 1, true, 65)]);

const DEFLATED = [0, 1, 4095, 4096, 4097, 65_536, FULL, 16 * FULL].map(length => new Uint8Array(deflateRawSync(new Uint8Array(length))));

const ZSTD: readonly ((random: Random) => Uint8Array)[] = [
  random => Uint8Array.from(frame(random.pick([0, 10, 17, 18, 31]), runs(1 + random.below(400)))),
  // One segment, and a size of its own in 8 bytes.
  random => Uint8Array.from([...MAGIC, 0xe0, ...u32(random.next()), ...u32(random.next()), ...block(0, 1, true, 65)]),
  random => Uint8Array.from(Array.from({ length: 1 + random.below(3000) }, () => EMPTY).flat()),
  random => Uint8Array.from(Array.from({ length: 1 + random.below(3000) }, () => BYTE).flat()),
  () => Uint8Array.from(frame(5, [block(3, 100, true)])),
  () => Uint8Array.from(frame(5, [block(0, 0, false)])),
  random => new Uint8Array(zstdCompressSync(new Uint8Array(random.pick([0, 1, 4095, 4096, 4097, FULL])))),
  random =>
    new Uint8Array(zstdCompressSync(new Uint8Array(4096), { params: { [constants.ZSTD_c_checksumFlag]: 1 } })).fill(random.next(), 9),
];
const DEFLATE: readonly ((random: Random) => Uint8Array)[] = [
  random => random.pick(DEFLATED).slice(),
  () => Uint8Array.from([0, 0, 0, 0xff, 0xff]), // a stored block of nothing, and not the last
  random => Uint8Array.from({ length: 1 + random.below(4000) }, (_, i) => [0, 0, 0, 0xff, 0xff][i % 5]!),
];

/** Sometimes cut, sometimes with a byte changed. */
export function harmful(compression: 'zstd' | 'deflate', random: Random): Uint8Array {
  const bytes = random.pick(compression === 'zstd' ? ZSTD : DEFLATE)(random);
  if (random.oneIn(6)) bytes[random.below(bytes.length)] = random.next();
  return random.oneIn(6) ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
}
