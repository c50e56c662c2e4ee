/** Do two disks read the same? */
import { readPadded, type Layer } from './block.ts';
import { mapChain } from './chain.ts';

const AT_ONCE = 1 << 20;

/** The offset of the first byte that differs, or undefined. Where one disk is longer, the rest of it must be zeroes. */
export function firstDifference(one: Layer, other: Layer): number | undefined {
  const size = Math.max(one.sizeBytes, other.sizeBytes);
  const [a, b] = [new Uint8Array(AT_ONCE), new Uint8Array(AT_ONCE)];
  for (let at = 0; at < size;) {
    const length = Math.min(size - at, AT_ONCE);
    if (!(isEmpty(one, at, length) && isEmpty(other, at, length))) {
      readPadded(one, at, a.subarray(0, length));
      readPadded(other, at, b.subarray(0, length));
      for (let i = 0; i < length; i++) if (a[i] !== b[i]) return at + i;
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
