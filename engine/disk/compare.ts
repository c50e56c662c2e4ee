/** Do two disks read the same? */
import { firstDifferenceOf, readPadded, type Layer } from './block.ts';
import { mapChain } from './chain.ts';

const AT_ONCE = 1 << 20;

/** The offset of the first byte that differs (between `from` and `to`, for who goes in steps), or undefined. Where one disk is longer, the rest must be zeroes. */
export function firstDifference(one: Layer, other: Layer, from = 0, to = Infinity): number | undefined {
  const size = Math.min(to, Math.max(one.sizeBytes, other.sizeBytes));
  const [a, b] = [new Uint8Array(AT_ONCE), new Uint8Array(AT_ONCE)];
  for (let at = from; at < size;) {
    const length = Math.min(size - at, AT_ONCE);
    if (!(isEmpty(one, at, length) && isEmpty(other, at, length))) {
      readPadded(one, at, a.subarray(0, length));
      readPadded(other, at, b.subarray(0, length));
      const differs = firstDifferenceOf(a.subarray(0, length), b.subarray(0, length));
      if (differs !== -1) return at + differs;
    }
    at += length;
  }
  return undefined;
}

/** Known to be zeroes without reading data. */
function isEmpty(layer: Layer, offset: number, length: number): boolean {
  const inside = Math.min(length, layer.sizeBytes - offset);
  if (inside <= 0) return true;
  for (const { kind } of mapChain(layer, offset, inside)) if (kind === 'data') return false;
  return true;
}
