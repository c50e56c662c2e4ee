import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { expectReads, pattern } from '#test/support/disk-model.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { createCowDisk } from './chain.ts';
import { CopyJob } from './copy-job.ts';
import { RawImage, createRaw } from './raw.ts';

const MIB = 2 ** 20;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-raw-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('holes stay holes: when zeroes are written, and when a COW disk is committed', () => {
  const path = join(folder, 'base');
  createRaw(nodeFiles, path, 16 * MIB);
  using base = new RawImage(nodeFiles, path, true);
  base.writeZeroes(1000, 9 * MIB);
  base.flush();
  expect(statSync(path).blocks).toBe(0);
  const cow = createCowDisk({ files: nodeFiles, codec: nodeDecompressor }, join(folder, 'cow'), base);
  cow.write(0, new Uint8Array(4 * MIB));
  cow.write(5 * MIB, pattern(100_000, 1));
  cow.writeZeroes(8 * MIB, MIB, true);
  CopyJob.commit(cow).run();
  expect(statSync(path).blocks * 512).toBeLessThan(MIB / 2);
  const model = new Uint8Array(16 * MIB);
  model.set(pattern(100_000, 1), 5 * MIB);
  expectReads(base, model);
  // What was there is overwritten by zeroes.
  cow.writeZeroes(5 * MIB, MIB, true);
  CopyJob.commit(cow).run();
  expectReads(base, new Uint8Array(16 * MIB));
  cow.attachParent(undefined);
  cow[Symbol.dispose]();
});
