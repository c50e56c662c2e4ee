/** The real disk worker on real files, with the real MMM on this thread as the vcpu. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Drive, DriveResult } from '#engine/devices/drive.ts';
import { createBlankDisk } from '#engine/disk/graph/create.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { DISK_DONE_RING, DISK_SUBMIT_RING } from '#engine/memory/layout.ts';
import { readState } from '#test/support/disk-graph-model.ts';
import { pattern } from '#test/support/disk-model.ts';
import { loneMmm, type LoneMmm } from '#test/support/lone-mmm.ts';
import type { DiskAnswers, DiskMessage, DiskRequestKind, DiskRequests, DiskSpec, DiskWorkerData, Medium } from './disk-protocol.ts';
import { openChannel, type DriveChannel } from './drive-channel.ts';
import { graphHost } from './node-graph-host.ts';
import { Thread } from './thread.ts';
import { diskDoorbell, vcpuDoorbell } from './world-block.ts';

const SIZE = 1 << 20;

let folder: string;
let lone: LoneMmm;
let worker: Worker;
let messages: DiskMessage[];
let heard: () => void;
let exited: Promise<number>;
let ids = 0;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-disk-worker-'));
  lone ??= await loneMmm(2000);
  lone.mmm.initMemory(2000);
  lone.mmm.mapRam(0, 64);
  for (const ring of [DISK_SUBMIT_RING, DISK_DONE_RING]) new Uint8Array(lone.memory, ring, 64).fill(0);
  mkdirSync(join(folder, 'disks'));
  createBlankDisk(disk(), SIZE);
});
afterEach(async () => {
  await worker.terminate();
  rmSync(folder, { recursive: true });
});

const disk = () => new DiskFolder(graphHost, join(folder, 'disks'), 'disk0');
const about = { media: 'disk', cache: 'writeback', serial: 'SERIAL', interface: 'virtio' } as const;
const own: DiskSpec = { ...about, name: 'disk0', source: { kind: 'graph', folder: '', startAt: undefined } };
const image = (path: string): DiskSpec => ({ ...about, name: 'disk1', source: { kind: 'image', path, format: 'raw', allow: [] } });

function start(...images: DiskSpec[]): Promise<DiskMessage> {
  const specs: DiskSpec[] = [{ ...own, source: { kind: 'graph', folder: join(folder, 'disks'), startAt: undefined } }, ...images];
  const data: DiskWorkerData = { memory: lone.memory, running: true, disks: specs };
  worker = new Thread(new URL('disk-worker.ts', import.meta.url), 'disk').begin(data);
  messages = [];
  heard = () => {};
  worker.on('message', (message: DiskMessage) => {
    messages.push(message);
    heard();
  });
  exited = new Promise(resolve => worker.once('exit', resolve));
  return message(() => true);
}

async function message(wanted: (message: DiskMessage) => boolean): Promise<DiskMessage> {
  for (;;) {
    const found = messages.find(wanted);
    if (found) return found;
    await new Promise<void>(resolve => (heard = resolve));
  }
}

async function ask<K extends DiskRequestKind>(kind: K, what: DiskRequests[K]): Promise<DiskAnswers[K]> {
  const id = ++ids;
  worker.postMessage({ ...what, id, kind });
  diskDoorbell(lone.memory).ring();
  const answer = await message(one => 'id' in one && one.id === id);
  if (answer.kind === 'answer') return answer.result as DiskAnswers[K];
  throw new Error(answer.kind === 'failed' ? answer.failure.message : answer.kind);
}

async function channel(...images: DiskSpec[]): Promise<DriveChannel> {
  const opened = await start(...images);
  if (opened.kind !== 'opened') throw new Error('it did not open');
  const disks = openChannel(lone.memory, opened.disks, 'host');
  const core = { ...lone.mmm, dropCode: () => {} };
  disks.connect({ core, timers: { nowNs: () => 0, create: () => expect.unreachable(), onEra: () => {} }, breakSlice: () => {} });
  return disks;
}

/** Submits, and sleeps as an idle vcpu does until it is done. */
function submit(disks: DriveChannel, request: Parameters<DriveChannel['drives'][0]['submit']>[0], drive = 0): Uint8Array | undefined {
  const bell = vcpuDoorbell(lone.memory);
  const done: { result: DriveResult; bytes: Uint8Array | undefined }[] = [];
  disks.drives[drive]!.submit(request, (result, bytes) => done.push({ result, bytes }));
  for (;;) {
    const seen = bell.count;
    disks.collect();
    disks.deliver();
    if (done.length > 0) break;
    bell.sleep(seen);
  }
  expect(done[0]!.result).toBe('ok');
  return done[0]!.bytes;
}
const write = (disks: DriveChannel, offset: number, seed: number) =>
  submit(disks, { kind: 'write-bytes', offset, bytes: pattern(512, seed) });

test('reads files into machine pages and writes them from there', async () => {
  const disks = await channel();
  expect(disks.drives[0]).toMatchObject({ name: 'disk0', sizeBytes: SIZE, clusterBytes: 65536, readOnly: false, serial: 'SERIAL' });
  const page = new Uint8Array(lone.memory, lone.mmm.pageForWrite(5) >>> 0, 4096);
  page.set(pattern(4096, 3));
  submit(disks, { kind: 'write', offset: 65536, ranges: [{ gpa: 5 * 4096, length: 4096 }] });
  submit(disks, { kind: 'flush' });
  submit(disks, { kind: 'read', offset: 65536, ranges: [{ gpa: 9 * 4096, length: 4096 }] });
  expect(new Uint8Array(lone.memory, lone.mmm.pageForRead(9) >>> 0, 4096)).toEqual(pattern(4096, 3));
  expect(submit(disks, { kind: 'read-bytes', offset: 65536 + 100, length: 50 })).toEqual(pattern(4096, 3).slice(100, 150));
});

test('802, 810, 830: what is written before the marker is in the state that a checkpoint points to, what comes after it is not', async () => {
  const disks = await channel();
  write(disks, 0, 1);
  const [pointer] = await ask('prepare', { mode: undefined });
  write(disks, 512, 2);
  const sealed = ask('seal', {});
  disks.switchTops();
  write(disks, 1024, 3);
  await sealed;
  await ask('let-go', {});
  const all = Uint8Array.of(...pattern(512, 1), ...pattern(512, 2), ...pattern(512, 3));
  expect(submit(disks, { kind: 'read-bytes', offset: 0, length: 1536 })).toEqual(all);
  await ask('finish', {});
  expect(await exited).toBe(0);
  expect(readState(disk(), pointer!.layer).subarray(0, 1536)).toEqual(Uint8Array.of(...all.subarray(0, 1024), ...new Uint8Array(512)));
  expect(readState(disk(), disk().read().top).subarray(0, 1536)).toEqual(all);
});

test('an image as it lies is only read, and no part of a checkpoint', async () => {
  const path = join(folder, 'cd.iso');
  writeFileSync(path, pattern(4096, 7));
  const disks = await channel(image(path));
  expect(disks.drives[1]!.readOnly).toBe(true);
  expect(submit(disks, { kind: 'read-bytes', offset: 512, length: 512 }, 1)).toEqual(pattern(4096, 7).slice(512, 1024));
  expect((await ask('prepare', { mode: undefined })).map(({ disk: name }) => name)).toEqual(['disk0']);
  disks.switchTops();
  await ask('seal', {});
  expect(submit(disks, { kind: 'read-bytes', offset: 0, length: 512 }, 1)).toEqual(pattern(4096, 7).slice(0, 512));
});

describe('a CD-ROM drive', () => {
  const iso = (name: string, seed: number, length = 8192) => {
    const path = join(folder, name);
    writeFileSync(path, pattern(length, seed));
    return { kind: 'image', path, format: 'raw', allow: [] } as const;
  };
  const cdrom = (source: DiskSpec['source']): DiskSpec => ({ ...about, name: 'disk1', interface: 'ide', media: 'cdrom', source });
  const drive = (disks: DriveChannel) => disks.attached[1]!.drive;
  const read = (disks: DriveChannel, from: Drive, offset: number) => {
    let bytes: Uint8Array | undefined;
    from.submit({ kind: 'read-bytes', offset, length: 512 }, (_result, got) => (bytes = got));
    from.drain();
    expect(disks.pendingOperations()).toEqual([]);
    return bytes;
  };

  test('gets another disc: what is pending comes from the old one, what follows from the new', async () => {
    const disks = await channel(cdrom(iso('one.iso', 1)));
    const old = drive(disks)!;
    const opened = await ask('open-medium', { disk: 'disk1', medium: iso('two.iso', 2, 16384) });
    expect(opened).toMatchObject({ name: 'disk1', sizeBytes: 16384, readOnly: true });
    expect(opened.fingerprint).not.toBe(old.fingerprint);
    const pending: (Uint8Array | undefined)[] = [];
    for (const offset of [0, 512]) old.submit({ kind: 'read-bytes', offset, length: 512 }, (_result, bytes) => pending.push(bytes));
    const fresh = disks.changeMedium(opened)!;
    expect(pending).toEqual([pattern(8192, 1).slice(0, 512), pattern(8192, 1).slice(512, 1024)]);
    await ask('settle-medium', { disk: 'disk1', isTaken: true });
    expect(fresh).toMatchObject({ sizeBytes: 16384, fingerprint: opened.fingerprint });
    expect(read(disks, fresh, 15872)).toEqual(pattern(16384, 2).slice(15872));
  });

  test('can be empty, at the start and later', async () => {
    const disks = await channel(cdrom({ kind: 'none' }));
    expect(disks.attached[1]).toMatchObject({ name: 'disk1', serial: 'SERIAL', drive: undefined });
    const disc = disks.changeMedium(await ask('open-medium', { disk: 'disk1', medium: iso('one.iso', 1) }))!;
    expect(read(disks, disc, 0)).toEqual(pattern(8192, 1).slice(0, 512));
    expect(disks.changeMedium(await ask('open-medium', { disk: 'disk1', medium: { kind: 'none' } }))).toBeUndefined();
    await ask('settle-medium', { disk: 'disk1', isTaken: true });
  });

  test('keeps its disc when the other cannot be opened, or the guest does not take it', async () => {
    const disks = await channel(cdrom(iso('one.iso', 1)));
    const nowhere = { kind: 'image', path: join(folder, 'nowhere.iso'), format: 'raw', allow: [] } as const;
    await expect(ask('open-medium', { disk: 'disk1', medium: nowhere })).rejects.toThrow(/nowhere\.iso/);
    await expect(ask('open-medium', { disk: 'disk0', medium: iso('two.iso', 2) })).rejects.toThrow('there is no CD-ROM drive disk0');
    await ask('open-medium', { disk: 'disk1', medium: iso('two.iso', 2) });
    await ask('settle-medium', { disk: 'disk1', isTaken: false });
    expect(read(disks, drive(disks)!, 0)).toEqual(pattern(8192, 1).slice(0, 512));
    await ask('finish', {});
    expect(await exited).toBe(0);
  });

  test('a disc that was moved is the same disc, one of the same size is another', async () => {
    await channel(cdrom(iso('one.iso', 1)));
    const of = async (medium: Medium) => (await ask('open-medium', { disk: 'disk1', medium })).fingerprint;
    const one = await of(iso('one.iso', 1));
    expect(await of(iso('copy.iso', 1))).toBe(one);
    expect(await of(iso('two.iso', 2))).not.toBe(one);
    expect(await of(iso('longer.iso', 1, 8704))).not.toBe(one);
    expect(await of({ kind: 'none' })).toBe('');
  });
});

test('executes and flushes what is left when the world ends, and then ends', async () => {
  const disks = await channel();
  for (let at = 0; at < 64; at++) disks.drives[0]!.submit({ kind: 'write-bytes', offset: at * 512, bytes: pattern(512, at) }, () => {});
  await ask('finish', {});
  expect(await exited).toBe(0);
  const bytes = readState(disk(), disk().read().top);
  for (let at = 0; at < 64; at++) expect(bytes.subarray(at * 512, (at + 1) * 512)).toEqual(pattern(512, at));
});

test('says why a disk cannot be opened, and leaves none open', async () => {
  const refused = await start(image(join(folder, 'nowhere.iso')));
  expect(refused).toMatchObject({ kind: 'refused', failure: { code: 'NO_SUCH_FILE' } });
  expect(await exited).toBe(0);
});
