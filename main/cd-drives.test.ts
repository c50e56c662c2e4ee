/** The drives of a VM that is off, and what is written down when a guest moves its trays. A guest that has them: test/system/cd-change.test.ts. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Bundle } from './bundle.ts';
import { CdDrives, type WorldWithDrives } from './cd-drives.ts';
import { readCheckpointInfo } from './checkpoint-files.ts';
import { FileLocks } from './file-locks.ts';
import { DISK_MEDIUM, encodeOrder } from '#worker/drive-protocol.ts';
import { RingWriter } from '#worker/ring.ts';
import { Thread } from '#worker/thread.ts';
import { diskSubmitRing, offlineMemory } from '#worker/world-block.ts';
import { vmConfig } from './ipc/contract.ts';
import { VmDisks } from './vm-disks.ts';
import { WorldDisks } from './world-disks.ts';
import { sourceFiles } from './world-manager.ts';

let folder: string;
let bundle: Bundle;
let drives: CdDrives;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-drives-'));
  vi.stubEnv('CAIRN_LOCKS', join(folder, 'locks'));
  for (const name of ['one.iso', 'two.iso']) writeFileSync(join(folder, name), name.padEnd(4096));
});
afterEach(() => {
  bundle.close();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const cdrom = (path: string, kind = 'ide') => ({
  ...{ path, format: 'raw', interface: kind, media: 'cdrom', readonly: true, cache: 'writeback' },
});
async function open(...disks: object[]) {
  const path = join(folder, 'a.cairn');
  Bundle.create(path, vmConfig.parse({ memoryMiB: 4, append: '', debugExit: false, noReboot: false, disks }));
  bundle = (await Bundle.open(path, readCheckpointInfo))!;
  drives = new CdDrives(bundle, new VmDisks(bundle, new URL('file:///nowhere'), text => expect.unreachable(text)));
}
const change = (path: string, disk?: string) =>
  drives.change(undefined, { path, format: 'raw', force: false, ...(disk === undefined ? {} : { disk }) });
/** As the next start would have it. */
const discs = () => Bundle.readConfig(bundle.path).disks.map(({ path }) => path);
const one = () => join(folder, 'one.iso');
const two = () => join(folder, 'two.iso');
const tray = (isOpen: boolean, isLocked = false) => [{ disk: 'disk0', isOpen, isLocked }];

test('the disc of a VM that is off is its next start’s', async () => {
  await open(cdrom(one()));
  await change(two());
  expect([discs(), drives.list()]).toEqual([[two()], [{ disk: 'disk0', path: two(), isLocked: false, isOpen: false }]]);
  await change('');
  expect(discs()).toEqual(['']);
  expect(bundle.config.disks[0]).toMatchObject({ media: 'cdrom', format: 'raw' });
});

test('what is not there, or is written by another VM, is not put in', async () => {
  await open(cdrom(one()));
  await expect(change(join(folder, 'nowhere.iso'))).rejects.toThrow(/nowhere\.iso/);
  using writer = new FileLocks().take(two(), 'exclusive', 'b');
  expect(writer.kind).toBe('exclusive');
  await expect(change(two())).rejects.toThrow(/two\.iso cannot be opened, for b \(in this Cairn\) writes to it/);
  expect(discs()).toEqual([one()]);
});

test('a drive must be there, and be named where there are several', async () => {
  await open(cdrom(one(), 'virtio'));
  await expect(change(two())).rejects.toThrow('a has no CD-ROM drive: give it one');
  expect(drives.list()).toEqual([]);
  bundle.close();
  rmSync(bundle.path, { recursive: true });
  await open(cdrom(one()), cdrom('', 'scsi'));
  await expect(change(two())).rejects.toThrow('say which one of disk0, disk1');
  await change(two(), 'disk1');
  expect(discs()).toEqual([one(), two()]);
});

test('a disc that the guest puts out is out at the next start, and in again when the guest shuts the tray', async () => {
  await open(cdrom(one()));
  drives.follow(tray(false, true));
  expect(drives.list()).toEqual([{ disk: 'disk0', path: one(), isLocked: true, isOpen: false }]);
  drives.follow(tray(true));
  expect([discs(), drives.list()]).toEqual([[''], [{ disk: 'disk0', path: one(), isLocked: false, isOpen: true }]]);
  drives.follow(tray(false));
  expect(discs()).toEqual([one()]);
});

test('a disc that is in again while vm.json cannot be written is noted the next time', async () => {
  await open(cdrom(one()));
  drives.follow(tray(true));
  mkdirSync(join(bundle.path, 'vm.json.tmp', 'x'), { recursive: true });
  expect(() => drives.follow(tray(false))).toThrow('vm.json cannot be written');
  rmSync(join(bundle.path, 'vm.json.tmp'), { recursive: true });
  drives.follow(tray(false, true));
  expect(discs()).toEqual([one()]);
});

test('a world that takes over finds the disc that lay in the open tray; one that has ended leaves it out', async () => {
  await open(cdrom(one()));
  drives.follow(tray(true));
  drives.shutTrays();
  expect(discs()).toEqual([one()]);
  drives.follow(tray(true));
  drives.ended();
  drives.shutTrays();
  expect([discs(), drives.list()[0]]).toEqual([[''], { disk: 'disk0', path: '', isLocked: false, isOpen: false }]);
});

type EndingWorld = WorldWithDrives & { hasEnded: boolean };

/** A session with the real disk worker, as a world has it; `changed`: what the machine makes of a disc. */
async function openWorld(changed: (world: EndingWorld, opened: DisposableStack) => ReturnType<WorldWithDrives['changeMedium']>) {
  const memory = offlineMemory();
  const disks = new VmDisks(bundle, sourceFiles.diskEntry, text => expect.unreachable(text));
  drives = new CdDrives(bundle, disks);
  const opened = disks.open();
  const session = await WorldDisks.open(new Thread(sourceFiles.diskEntry, 'disk'), memory, disks.specs(), true);
  const world: EndingWorld = { disks: session, hasEnded: false, changeMedium: () => changed(world, opened) };
  return { world, session, opened, memory };
}

test('a VM that ends while its disc is changed is said to have ended, and keeps neither the disc nor its lock', async () => {
  await open(cdrom(one(), 'scsi'));
  const { world } = await openWorld(async (ending, opened) => {
    ending.hasEnded = true;
    await ending.disks!.finish(); // as a world that ends does before it says so
    opened.dispose();
    return 'ended';
  });
  await expect(drives.change(world, { path: two(), format: 'raw', force: false })).rejects.toThrow('a ended before its disc was changed');
  await expect(drives.change(world, { path: two(), format: 'raw', force: false })).rejects.toThrow('a ended before its disc was changed');
  expect(discs()).toEqual([one()]);
  for (const path of [one(), two()]) new FileLocks().take(path, 'exclusive', 'b')[Symbol.dispose]();
});

test('a disc that the guest has is its disc though vm.json cannot be written, which is told and done later; that of a VM that is off is not changed then', async () => {
  await open(cdrom(one(), 'scsi'));
  const { world, session, opened, memory } = await openWorld(async () => {
    const { kind, payload } = encodeOrder(DISK_MEDIUM, 0);
    new RingWriter(diskSubmitRing(memory)).write(kind, payload); // as the machine does when its drive takes the disc
    return 'changed';
  });
  const refuse = () => mkdirSync(join(bundle.path, 'vm.json.tmp', 'x'), { recursive: true });
  const allow = () => rmSync(join(bundle.path, 'vm.json.tmp'), { recursive: true });
  refuse();
  const told = await drives.change(world, { path: two(), format: 'raw', force: false });
  expect(told).toMatch(
    /^The disc in disk0 of a has been changed, .* until then the next start has .*one\.iso: .*vm\.json cannot be written/,
  );
  expect([drives.list(), discs()]).toEqual([[{ disk: 'disk0', path: two(), isLocked: false, isOpen: false }], [one()]]);
  allow();
  expect(await drives.change(world, { path: '', format: 'raw', force: false })).toBeUndefined();
  expect(discs()).toEqual(['']);
  await session.finish();
  opened.dispose();
  refuse();
  await expect(change(one())).rejects.toThrow('vm.json cannot be written');
  allow();
  expect([drives.list()[0]?.path, discs()]).toEqual(['', ['']]);
});

test('an empty disk that is no CD-ROM drive is no configuration', () => {
  const config = (disk: object) => vmConfig.safeParse({ memoryMiB: 4, append: '', debugExit: false, noReboot: false, disks: [disk] });
  expect(config({ ...cdrom(''), media: 'disk' }).error?.issues[0]?.message).toMatch(/only a CD-ROM drive at IDE or SCSI can be empty/);
  expect(config(cdrom('', 'virtio')).success).toBe(false);
  expect(config(cdrom('', 'scsi')).success).toBe(true);
});
