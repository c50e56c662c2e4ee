import { expect, test } from 'vitest';
import { zstdCompressSync } from 'node:zlib';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { CompressedClusters } from './compressed.ts';

const CLUSTER = 4096;

/** What a cluster reads as whose compressed bytes are these; how often something was unpacked. */
function read(packed: Uint8Array): { bytes: Uint8Array; calls: number } {
  const files = new MemoryFiles();
  files.put('/disk', packed);
  let calls = 0;
  const codec = { ...nodeDecompressor, zstd: (bytes: Uint8Array, most: number) => (calls++, nodeDecompressor.zstd(bytes, most)) };
  const clusters = new CompressedClusters(codec, 'zstd', CLUSTER);
  using file = files.openRead('/disk');
  const place = { kind: 'compressed', hostOffset: 0, copied: false, compressedBytes: packed.length, allocated: 0, zeroes: 0 } as const;
  try {
    return { bytes: clusters.read(file, place), calls };
  } catch (error) {
    expect(calls).toBeLessThan(100);
    throw error;
  }
}

const frames = (count: number, length: number) =>
  Buffer.concat(Array.from({ length: count }, () => zstdCompressSync(new Uint8Array(length).fill(7))));

test('a cluster of a few zstd frames is read', () => {
  for (const count of [1, 2, 64]) expect(read(frames(count, CLUSTER / count)).bytes).toEqual(new Uint8Array(CLUSTER).fill(7));
});

test('one of thousands of frames with nothing or next to nothing in them is refused before they are unpacked', () => {
  for (const length of [0, 1]) expect(() => read(frames(4000, length))).toThrow('it has more than 64 parts');
});
