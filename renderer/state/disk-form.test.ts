import { expect, test } from 'vitest';
import type { Checkpoint } from '../../main/ipc/contract.ts';
import { fileName, canBeEmpty, heldDisks, NEW_DISK, newlyWritten, withMedia, withPath } from './disk-form.ts';

test('a file’s name tells its format; an ISO is a CD-ROM, which virtio has not and nobody writes', () => {
  expect(withPath(NEW_DISK, '/images/a.QCOW2')).toEqual({ ...NEW_DISK, path: '/images/a.QCOW2' });
  expect(withPath(NEW_DISK, '/images/a.img')).toMatchObject({ format: 'raw', media: 'disk', interface: 'virtio' });
  expect(withPath({ ...NEW_DISK, writeBase: true }, 'C:\\tools.iso')).toMatchObject({
    ...{ format: 'raw', media: 'cdrom', interface: 'ide', readonly: true, writeBase: false },
  });
  // What the user has chosen stays when the name tells nothing.
  expect(withPath({ ...NEW_DISK, format: 'raw', readonly: true }, '/dev/sdb')).toMatchObject({ format: 'raw', readonly: true });
});

test('a CD-ROM that becomes a disk again can be written', () => {
  const cdrom = withMedia({ ...NEW_DISK, interface: 'scsi' }, 'cdrom');
  expect(cdrom).toMatchObject({ interface: 'scsi', readonly: true, format: 'raw' });
  expect(withMedia({ ...NEW_DISK, path: '/a.qcow2' }, 'cdrom').format).toBe('qcow2');
  expect(withMedia(cdrom, 'cdrom')).toBe(cdrom);
  expect(withMedia(cdrom, 'disk')).toMatchObject({ media: 'disk', readonly: false });
});

test('checkpoints hold every disk up to the last that one of them points to', () => {
  const holding = (...disks: string[]) => ({ disks: disks.map(disk => ({ disk, layer: '', sizeBytes: 0 })) }) as unknown as Checkpoint;
  expect(heldDisks([])).toBe(0);
  expect(heldDisks([holding()])).toBe(0);
  expect(heldDisks([holding('disk0'), holding('disk0', 'disk10')])).toBe(11);
});

test('only a file that has not been given up to writing before is asked about', () => {
  const written = { ...NEW_DISK, path: '/a', writeBase: true };
  expect(newlyWritten([], [NEW_DISK, written])).toEqual(['/a']);
  expect(newlyWritten([written], [written, { ...written, path: '/b' }])).toEqual(['/b']);
  expect(newlyWritten([{ ...written, writeBase: false }], [written])).toEqual(['/a']);
});

test('the name of a file, of any system', () => {
  expect(['/a/b.raw', 'C:\\a\\b.raw', 'b.raw', '/a/'].map(fileName)).toEqual(['b.raw', 'b.raw', 'b.raw', '/a/']);
});

test('only a CD-ROM drive can be without an image', () => {
  expect(canBeEmpty(NEW_DISK)).toBe(false);
  expect(canBeEmpty(withMedia(NEW_DISK, 'cdrom'))).toBe(true);
  expect(canBeEmpty({ ...withMedia(NEW_DISK, 'cdrom'), interface: 'virtio' })).toBe(false);
});
