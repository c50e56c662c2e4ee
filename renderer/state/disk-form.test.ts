import { expect, test } from 'vitest';
import type { Checkpoint } from '../../main/ipc/contract.ts';
import {
  fileName,
  canBeEmpty,
  heldDisks,
  NEW_DISK,
  newlyWritten,
  mayHaveBacking,
  withAllowed,
  withFormat,
  withMedia,
  withPath,
} from './disk-form.ts';

test('a file’s name and contents tell its format unless the user does; an ISO is a CD-ROM, which virtio has not and nobody writes', () => {
  expect(withPath(NEW_DISK, '/images/a.QCOW2')).toEqual({ ...NEW_DISK, path: '/images/a.QCOW2' });
  expect(withPath(NEW_DISK, '/images/a.img')).toEqual({ ...NEW_DISK, path: '/images/a.img' });
  expect(withFormat(withFormat(NEW_DISK, 'raw'), 'named')).toEqual(NEW_DISK);
  expect(withPath({ ...NEW_DISK, writeBase: true }, 'C:\\tools.iso')).toMatchObject({
    ...{ media: 'cdrom', interface: 'ide', readonly: true, writeBase: false },
  });
  expect(withPath({ ...NEW_DISK, format: 'raw', readonly: true }, '/dev/sdb')).toMatchObject({ format: 'raw', readonly: true });
});

test('a CD-ROM that becomes a disk again can be written', () => {
  const cdrom = withMedia({ ...NEW_DISK, interface: 'scsi' }, 'cdrom');
  expect(cdrom).toMatchObject({ interface: 'scsi', readonly: true });
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

test('where backing files may lie is asked of what can have some, and what is not shown stays', () => {
  const disk = { ...NEW_DISK, path: '/a.qcow2' };
  expect([disk, { ...NEW_DISK, path: '/a.img' }, withFormat(disk, 'raw'), withFormat(NEW_DISK, 'qcow2')].map(mayHaveBacking)).toEqual([
    ...[true, false, false, true],
  ]);
  expect(withAllowed(disk, '/bases')).toEqual({ ...disk, allow: ['/bases'] });
  expect(withAllowed({ ...disk, allow: ['/bases', '/more'] }, '/other')).toEqual({ ...disk, allow: ['/other', '/more'] });
  expect(withAllowed({ ...disk, allow: ['/bases'] }, '')).toEqual(disk);
});
