/** Disks in a folder in memory for tests, random operations on them, and a plain array that says what a guest must read. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Layer } from '#engine/disk/block.ts';
import type { DiskHost } from '#engine/disk/open.ts';
import { checkQcow2, type CheckReport } from '#engine/disk/qcow2/check.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import type { MemoryFiles } from './memory-files.ts';

export const memoryHost = (files: MemoryFiles): DiskHost => ({ files, codec: nodeDecompressor });

export type DiskOperation =
  | { readonly kind: 'write'; readonly at: number; readonly length: number; readonly seed: number }
  | { readonly kind: 'zeroes'; readonly at: number; readonly length: number; readonly unmap: boolean }
  | { readonly kind: 'discard'; readonly at: number; readonly length: number }
  | { readonly kind: 'flush' };

/** Ranges of any alignment, often of whole sectors or clusters. */
export function diskOperations(sizeBytes: number, clusterBytes: number, maxLength: number): fc.Arbitrary<DiskOperation[]> {
  const range = fc.tuple(fc.constantFrom(1, 512, clusterBytes), fc.nat(), fc.nat()).map(([unit, from, count]) => {
    const at = (from * unit) % sizeBytes;
    return { at, length: Math.min(sizeBytes - at, 1 + (count % (unit === 1 ? 3000 : 4)) * unit || unit) };
  });
  const operation = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(range, fc.nat(255)).map(([where, seed]) => ({ kind: 'write' as const, ...where, seed })) },
    { weight: 2, arbitrary: fc.tuple(range, fc.boolean()).map(([where, unmap]) => ({ kind: 'zeroes' as const, ...where, unmap })) },
    { weight: 2, arbitrary: range.map(where => ({ kind: 'discard' as const, ...where })) },
    { weight: 2, arbitrary: fc.constant({ kind: 'flush' as const }) },
  );
  return fc.array(operation, { minLength: 1, maxLength });
}

export const pattern = (length: number, seed: number) => new Uint8Array(length).map((_, i) => seed + i * 7 + (i >> 8) || 1);

/** Does it to the disk and to the model. Whole clusters that are discarded read as zeroes, for images of version 3 or without a parent; raw ones keep them. */
export function apply(operation: DiskOperation, disk: Layer, model: Uint8Array): void {
  switch (operation.kind) {
    case 'write': {
      const bytes = pattern(operation.length, operation.seed);
      disk.write(operation.at, bytes);
      model.set(bytes, operation.at);
      return;
    }
    case 'zeroes':
      disk.writeZeroes(operation.at, operation.length, operation.unmap);
      model.fill(0, operation.at, operation.at + operation.length);
      return;
    case 'discard':
      disk.discard(operation.at, operation.length);
      if (disk.format !== 'raw') discardModel(operation, disk.clusterBytes, model);
      return;
    default:
      disk.flush();
  }
}

function discardModel({ at, length }: { at: number; length: number }, clusterBytes: number, model: Uint8Array): void {
  const from = Math.ceil(at / clusterBytes) * clusterBytes;
  const end = at + length;
  const to = end === model.length ? end : Math.floor(end / clusterBytes) * clusterBytes;
  if (from < to) model.fill(0, from, to);
}

export const sameBytes = (one: Uint8Array, other: Uint8Array) => Buffer.compare(one, other) === 0;

export function contents(disk: Layer): Uint8Array {
  const bytes = new Uint8Array(disk.sizeBytes);
  disk.read(0, bytes);
  return bytes;
}

export function expectReads(disk: Layer, model: Uint8Array): void {
  const bytes = contents(disk);
  if (sameBytes(bytes, model)) return;
  const differs = bytes.findIndex((byte, i) => byte !== model[i]);
  expect(differs === -1 ? 'the same' : `byte ${differs} differs`).toBe('the same');
}

export function checkFile(host: DiskHost, path: string): CheckReport {
  using image = new Qcow2Image(host.files, host.codec, path, { writable: false, lenient: true });
  return checkQcow2(image);
}

export function expectClean(host: DiskHost, path: string, leaks: 'none' | 'some' = 'none'): void {
  const { corruptions, problems, leaks: found } = checkFile(host, path);
  expect({ corruptions, problems: corruptions ? problems : [] }).toEqual({ corruptions: 0, problems: [] });
  if (leaks === 'none') expect({ found, problems }).toEqual({ found: 0, problems: [] });
}
