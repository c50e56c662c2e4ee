import { beforeEach, expect, test } from 'vitest';
import { CheckpointRun } from '#test/support/checkpoint-run.ts';
import { FakeVm } from '#test/support/fake-vm.ts';
import { codecOf, nodeCodec } from '#worker/node-codec.ts';
import { eliminateCheckpoints } from './eliminate.ts';
import { COMMIT_SIZE } from './format/layout.ts';
import { CheckpointReader } from './format/reader.ts';
import { readCheckpointInfo } from './info.ts';
import { inspectCheckpoint } from './inspect.ts';
import type { Codec } from './ports.ts';
import { restoreCheckpoint } from './restore.ts';
import { verifyCheckpoints } from './verify.ts';

const RAM = 150;
const codec = codecOf({ passphrase: 'correct horse' });
const SECRET = 'the secret of the guest';

const vm = await FakeVm.create(RAM);
const other = await FakeVm.create(RAM);
let run: CheckpointRun;
beforeEach(() => {
  run = new CheckpointRun(vm);
  other.reset();
  for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
  vm.page(5).set(new TextEncoder().encode(SECRET));
});

const take = async (n: number, as: Codec = codec) => (await run.take(n, { codec: as })).info;
const restore = (n: number, as: Codec) => restoreCheckpoint(run.store, run.pathOf(n), other, as);

test('an encrypted checkpoint is restored with its passphrase, by another process too, with what it points to', async () => {
  await take(1);
  vm.write(3, 1000);
  expect((await take(2)).pages).toMatchObject({ stored: 1, pointed: RAM - 1 });
  restore(2, codecOf({ passphrase: 'correct horse' }));
  expect(other.contents()).toEqual(vm.contents());
});

test('nothing of the guest is in the file', async () => {
  await take(1, codecOf({ passphrase: 'x', compression: 0 }));
  await take(2, codecOf({ compression: 0 }));
  const text = (n: number) => Buffer.from(run.files.get(run.pathOf(n))).toString('latin1');
  expect(text(2)).toContain(SECRET);
  expect(text(2)).toContain('counter');
  expect(text(1)).not.toContain(SECRET);
  expect(text(1)).not.toContain('counter');
});

test('without the passphrase it can be listed, inspected and eliminated, but not restored', async () => {
  const info = await take(1);
  vm.write(3, 1000);
  await take(2);
  expect(readCheckpointInfo(run.files, run.pathOf(1), nodeCodec)).toEqual(info);
  expect(inspectCheckpoint(run.files, run.pathOf(1), nodeCodec, true)).toMatchObject({ encrypted: true, devices: [] });
  expect(inspectCheckpoint(run.files, run.pathOf(1), codec, true)).toMatchObject({ encrypted: true, devices: [{ name: 'counter' }] });
  const before = other.contents();
  expect(() => restore(1, nodeCodec)).toThrow('is encrypted: give its passphrase');
  expect(() => restore(1, codecOf({ passphrase: 'wrong' }))).toThrow('The passphrase is not that of the checkpoint file');
  expect(other.contents()).toEqual(before);
  eliminateCheckpoints(run.store, ['checkpoint1'], nodeCodec);
  restore(2, codec);
  expect(other.contents()).toEqual(vm.contents());
});

test('is verified without the passphrase, too, by its checksums; with a wrong one not at all', async () => {
  await take(1);
  vm.write(3, 1000);
  await take(2);
  const verified = (as: Codec) => [...verifyCheckpoints(run.store, as)];
  const whole = (isLocked: boolean) => [1, 2].map(n => ({ id: `checkpoint${n}`, disks: [], isLocked, findings: [] }));
  expect(verified(nodeCodec)).toEqual(whole(true));
  expect(verified(codec)).toEqual(whole(false));
  expect(() => verified(codecOf({ passphrase: 'wrong' }))).toThrow('The passphrase is not that of the checkpoint file');
  using reader = CheckpointReader.open(run.files, run.pathOf(1), nodeCodec);
  const bytes = run.files.get(run.pathOf(1));
  bytes[reader.groups[0]!.offset + 5]! ^= 1;
  run.files.put(run.pathOf(1), bytes);
  expect(verified(nodeCodec).map(({ findings }) => findings[0]?.problem)).toEqual(
    [1, 2].map(() => expect.stringContaining('does not match its checksum')),
  );
});

test('an encrypted checkpoint does not point to a plain one, nor the other way round', async () => {
  await take(1, nodeCodec);
  expect((await take(2)).pages).toMatchObject({ pointed: 0 });
  expect((await take(3, nodeCodec)).pages).toMatchObject({ pointed: 0 });
});

test('tables that somebody without the passphrase has written are refused, whatever their checksums', async () => {
  await take(1);
  const bytes = run.files.get(run.pathOf(1));
  const commit = bytes.subarray(-COMMIT_SIZE);
  commit[216]! ^= 1;
  new DataView(commit.buffer, commit.byteOffset).setUint32(COMMIT_SIZE - 4, nodeCodec.checksum(commit.subarray(0, COMMIT_SIZE - 4)), true);
  run.files.put(run.pathOf(1), bytes);
  expect(() => restore(1, codec)).toThrow('its tables are not those that were written with it');
});

test('a page group that was exchanged, with its checksum, is refused', async () => {
  await take(1);
  const cipher = codec.vault!.create().cipher;
  const sealed = cipher.seal(new Uint8Array(100).fill(7), 4096);
  expect(cipher.unseal(sealed, 4096)).toEqual(Buffer.alloc(100, 7));
  expect(() => cipher.unseal(sealed, 8192)).toThrow('authenticate');
  for (const at of [0, 99, 100, 115]) {
    const bad = Buffer.from(sealed);
    bad[at]! ^= 1;
    expect(() => cipher.unseal(bad, 4096)).toThrow('authenticate');
  }
  using reader = CheckpointReader.open(run.files, run.pathOf(1), codec);
  expect(reader.readGroup(0).length).toBe(64 * 4096);
});

test('any compression can be read by all', async () => {
  const sizes = [];
  for (const compression of [0, 1, 9]) {
    run.base = undefined;
    sizes.push((await take(compression, codecOf({ compression }))).bytesWritten);
    restore(compression, nodeCodec);
    expect(other.contents()).toEqual(vm.contents());
  }
  expect(sizes[0]).toBeGreaterThan(RAM * 4096);
  expect(sizes[1]).toBeLessThan(sizes[0]!);
  expect(sizes[2]).toBeLessThan(sizes[0]!);
});
