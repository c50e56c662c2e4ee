/** What a machine gets from outside that nobody can foresee: random numbers, and identifiers of machines. In a run that must be repeatable they follow from virtual time. */
import { createCipheriv, randomBytes, randomFillSync } from 'node:crypto';
import type { RandomSource } from '#engine/devices/virtio/rng.ts';
import { GENERATION_BYTES } from '#engine/devices/vm-generation.ts';
import type { Pacing } from './protocol.ts';

/** A generation identifier that no machine has had. */
export const newGeneration = (): string => randomBytes(GENERATION_BYTES).toString('hex');
/** Of machines whose runs are repeated. */
export const FIXED_GENERATION = '00'.repeat(GENERATION_BYTES);
export const generationBytes = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits, 'hex'));

const ZEROS = Buffer.alloc(16);

/** `nowNs`: the machine's virtual time. */
export function randomSource(pacing: Pacing, nowNs: () => number): RandomSource {
  if (pacing === 'host') return into => void randomFillSync(into);
  let lastNs = -1;
  let draws = 0;
  return into => {
    draws = nowNs() === lastNs ? draws + 1 : 0;
    lastNs = nowNs();
    const start = Buffer.alloc(16);
    start.writeDoubleLE(lastNs, 0);
    start.writeUInt32LE(draws, 8); // the last four bytes count blocks
    into.set(createCipheriv('aes-128-ctr', ZEROS, start).update(Buffer.alloc(into.length)));
  };
}
