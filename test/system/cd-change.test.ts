/** Discs are changed under a real Linux guest: what it reads is what lies in the drive, a disc in use is not taken from it, and the next start has the discs that lay there. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CdromDrive, Checkpoint, VmDetail } from '#main/ipc/contract.ts';
import { CairnHome } from '../support/cairn.ts';
import { cairnDiskGuest, type GuestShell } from '../support/guest-shell.ts';
import { isoImage } from '../support/iso-image.ts';

const NAME = 'discs';
let home: CairnHome;
let shell: GuestShell;
const at = (name: string) => path.join(home.folder, name);

/** Discs of one size: only what is on them tells them apart. */
function disc(name: string, word: string): string {
  writeFileSync(at(name), isoImage(new Map([['WORD.TXT', new TextEncoder().encode(`${word}\n`.padEnd(600_000))]])));
  return at(name);
}
const media = (...args: string[]) => home.jsonMeanwhile<CdromDrive[]>('vm', 'media', NAME, ...args);
const refused = async (...args: string[]) => {
  const verb = home.start('vm', 'media', NAME, ...args);
  expect(await verb.ended).not.toBe(0);
  return verb.errors;
};
const config = () => home.json<VmDetail>('vm', 'show', NAME).config.disks.map(disk => path.basename(disk.path));
const device = async (transport: 'ata' | 'virtio') => {
  const found = await shell.run(`cd /sys/block; for d in sr*; do ls -l $d | grep -q ${transport} && echo $d; done; cd`);
  return `/dev/${found.trim()}`;
};
const word = async (drive: string) => {
  await shell.run(`mount -t iso9660 -o ro ${drive} /mnt`);
  const read = await shell.run('head -n 1 /mnt/word.txt; tail -c 1000 /mnt/word.txt | wc -c');
  await shell.run('umount /mnt');
  return read.trim().split(/\s+/);
};

beforeAll(async () => {
  home = new CairnHome();
  disc('one.iso', 'first');
  disc('two.iso', 'second');
  shell = await cairnDiskGuest(home, NAME, {
    args: ['--disk', `${at('one.iso')},if=ide`, '--disk', 'none,media=cdrom,if=scsi'],
  });
});
afterAll(() => home.dispose());

describe.each([
  ['IDE', 'ata', 'disk0'],
  ['SCSI', 'virtio', 'disk1'],
] as const)('the drive at %s', (_name, transport, drive) => {
  test('has the discs that are put into it, one after the other, or none', async () => {
    const sr = await device(transport);
    await media(drive, at('one.iso'));
    expect(await word(sr)).toEqual(['first', '1000']);
    expect((await media(drive, '--eject')).find(({ disk }) => disk === drive)).toMatchObject({ path: '' });
    expect((await shell.attempt(`mount -t iso9660 -o ro ${sr} /mnt`)).output).toMatch(/No medium/i);
    await media(drive, at('two.iso'));
    expect(await word(sr)).toEqual(['second', '1000']);
    await media(drive, at('one.iso')); // of the same size, and without a drive that was empty between the two
    expect(await word(sr)).toEqual(['first', '1000']);
  });

  test('keeps a disc that the guest uses, unless it is forced', async () => {
    const sr = await device(transport);
    await shell.run(`mount -t iso9660 -o ro ${sr} /mnt`);
    expect(await refused(drive, at('two.iso'))).toMatch(/has locked the tray of disk\d, for it uses the disc/);
    expect(await shell.run('head -n 1 /mnt/word.txt')).toMatch(/^first/);
    expect((await media()).find(({ disk }) => disk === drive)).toMatchObject({ path: at('one.iso'), isLocked: true });
    await media(drive, at('two.iso'), '--force');
    await shell.run('umount /mnt');
    expect(await word(sr)).toEqual(['second', '1000']);
  });

  test('a disc that is pulled out under a reader ends what it reads with an error, and the guest goes on', async () => {
    const sr = await device(transport);
    await shell.run(`(while dd if=${sr} of=/dev/null bs=64k iflag=direct 2>/tmp/why; do :; done; echo ended >/tmp/ended) & sleep 1`);
    await media(drive, '--eject', '--force');
    expect(await shell.run('until [ -f /tmp/ended ]; do sleep 1; done; cat /tmp/ended; rm /tmp/ended')).toContain('ended');
    await media(drive, at('two.iso'));
    expect(await word(sr)).toEqual(['second', '1000']);
  });
});

test('a disc that is put out by the guest is shown as that, and is back when the guest shuts the tray', async () => {
  const sr = await device('ata');
  // What Linux does by itself when it is told to: it puts a disc out that nobody uses any more, and shuts the tray for who wants to read.
  await shell.run(`echo 1 >/proc/sys/dev/cdrom/autoeject; head -c 2048 ${sr} >/dev/null; echo 0 >/proc/sys/dev/cdrom/autoeject`);
  const [drive] = await media();
  expect(drive).toEqual({ disk: 'disk0', path: at('two.iso'), isLocked: false, isOpen: true });
  expect(config()).toEqual(['', 'two.iso']);
  await shell.attempt(`head -c 2048 ${sr} >/dev/null`); // Linux shuts the tray, and fails the read for which it did
  expect(await word(sr)).toEqual(['second', '1000']);
  expect((await media())[0]).toMatchObject({ path: at('two.iso'), isOpen: false });
  expect(config()).toEqual(['two.iso', 'two.iso']);
});

test('a revert that fails leaves a disc that the guest has put out where it is', async () => {
  const sr = await device('ata');
  const { id } = await home.jsonMeanwhile<Checkpoint>('checkpoint', 'take', NAME, '--title', 'damaged');
  await shell.run(`echo 1 >/proc/sys/dev/cdrom/autoeject; head -c 2048 ${sr} >/dev/null; echo 0 >/proc/sys/dev/cdrom/autoeject`);
  const before = await media();
  expect(before[0]).toMatchObject({ isOpen: true });
  const file = path.join(home.json<VmDetail>('vm', 'show', NAME).bundlePath, 'checkpoints', `${id}.ckpt`);
  const whole = readFileSync(file);
  const damaged = Buffer.from(whole);
  damaged[Number(damaged.readBigUInt64LE(whole.length - 256 + 24 + 8))]! ^= 0xff; // where the devices are: only a world finds that
  writeFileSync(file, damaged);
  const revert = home.start('checkpoint', 'revert', NAME, id);
  expect(await revert.ended).not.toBe(0);
  expect(revert.errors).toContain(path.basename(file));
  writeFileSync(file, whole);
  expect([await media(), config()]).toEqual([before, ['', 'two.iso']]);
  await shell.attempt(`head -c 2048 ${sr} >/dev/null`);
  expect(await word(sr)).toEqual(['second', '1000']);
});

test('what is no image, a drive that is not there and one of several that is not named are refused, and nothing has changed', async () => {
  expect(await refused('disk0', at('nowhere.iso'), '--format', 'raw')).toMatch(/nowhere\.iso/);
  expect(await refused('disk0', at('one.iso'), '--format', 'qcow2')).toMatch(/one\.iso/);
  expect(await refused('disk7', at('one.iso'))).toContain('has no CD-ROM drive disk7: disk0, disk1 are.');
  expect(await refused(at('one.iso'))).toContain('has 2 CD-ROM drives: say which one of disk0, disk1.');
  expect(await word(await device('ata'))).toEqual(['second', '1000']);
});

test('after a revert the disc that lies there now is read, not the one from then', async () => {
  const sr = await device('ata');
  const { id } = await home.jsonMeanwhile<Checkpoint>('checkpoint', 'take', NAME, '--title', 'with the second disc');
  await shell.run(`head -c 300000 ${sr} >/dev/null`); // it is in the guest's cache
  await media('disk0', at('one.iso'));
  expect(await word(sr)).toEqual(['first', '1000']);
  await home.jsonMeanwhile('checkpoint', 'revert', NAME, id);
  expect(await word(sr)).toEqual(['first', '1000']);
});

test('the next start has what lay in the drives', async () => {
  await media('disk1', '--eject');
  await shell.powerOff();
  expect(config()).toEqual(['one.iso', '']);
  await media('disk0', at('two.iso')); // of a VM that is off
  expect(config()).toEqual(['two.iso', '']);
  shell = await cairnDiskGuest(home, NAME, {});
  expect(await word(await device('ata'))).toEqual(['second', '1000']);
  expect((await media()).map(({ path: file }) => path.basename(file))).toEqual(['two.iso', '']);
  await shell.powerOff();
});
