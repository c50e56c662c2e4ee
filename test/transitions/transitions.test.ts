/**
 * The system half of the CPU through the interpreter: transitions.asm on the PC writes transitions.txt, whatever the slices, and so it does in QEMU
 * but for the steps that QEMU 7.2 gets wrong.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runInQemu } from '../differential/qemu.ts';
import { BenchPc } from '../support/bench-pc.ts';

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const expected = readFileSync(file('transitions.txt'), 'latin1');
let folder: string;
let image: Uint8Array;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-transitions-'));
  const output = join(folder, 'image');
  const { error, status, stderr } = spawnSync('nasm', ['-f', 'bin', '-o', output, file('transitions.asm')]);
  if (error !== undefined) throw new Error('This test needs nasm on the PATH (Debian package nasm).', { cause: error });
  if (status !== 0) throw new Error(stderr.toString());
  image = readFileSync(output);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([1_000_000, 1, 7, 61])('Cairn, in slices of %i', slice => {
  const bench = new BenchPc({ boot: { kind: 'multiboot', kernel: image, modules: [], commandLine: '' } });
  expect(bench.run(1_000_000, undefined, slice)).toEqual({ kind: 'debug-exit', code: 0x21 });
  expect(bench.serial[0]).toBe(expected);
});

/** Steps in which QEMU errs, and what it should have done. */
const QEMU_ERRS = new Map([
  ['a task with a DS that is not present', 'the fault belongs to the new task, before its first instruction (SDM 3A 7.3)'],
  ['a task with the T flag', 'the T flag of a TSS is not there'],
  ['ICEBP', 'it knows F1h only when built for it'],
  ['general detect', 'DR7.GD is not there'],
  ['PAE: reserved bit', 'a reserved bit is seen only in an entry that is present: P is 1 in the error code (SDM 3A 4.7)'],
]);

test('a second opinion: QEMU', () => {
  const judged = (output: string) => output.split('\n').filter(line => ![...QEMU_ERRS.keys()].some(step => line.startsWith(step)));
  expect(judged(runInQemu(image, 0x21))).toEqual(judged(expected));
});
