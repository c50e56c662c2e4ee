/** Whether two discs are one: their size, how they begin and end, and samples of what lies between. An image that was moved or copied stays the same disc. */
import { createHash } from 'node:crypto';
import type { Layer } from '#engine/disk/block.ts';
import { DiskFormatError, StorageError } from '#engine/errors/errors.ts';

/** Of the beginning: the volume's names and dates are in it (ECMA-119 § 6.7.1: from 32 KiB on). */
const HEAD_BYTES = 65536;
const SAMPLES = 64;
const SAMPLE_BYTES = 2048;

/** '' without a disc. What cannot be read is left out: the guest finds out when it reads there. */
export function fingerprintOf(layer: Layer): string {
  const { sizeBytes } = layer;
  if (sizeBytes === 0) return '';
  const hash = createHash('sha256').update(`${sizeBytes} `);
  const take = (offset: number, length: number) => {
    const bytes = new Uint8Array(Math.min(length, sizeBytes - offset));
    try {
      layer.read(offset, bytes);
      hash.update(bytes);
    } catch (error) {
      if (!(error instanceof DiskFormatError || error instanceof StorageError)) throw error;
    }
  };
  take(0, HEAD_BYTES);
  for (let n = 1; n <= SAMPLES; n++) take(Math.floor(((sizeBytes - 1) * n) / SAMPLES / SAMPLE_BYTES) * SAMPLE_BYTES, SAMPLE_BYTES);
  return hash.digest('hex').slice(0, 32);
}
