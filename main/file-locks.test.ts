import { linkSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FileLocks } from './file-locks.ts';
import { holdElsewhere } from './testing/lock-holder.ts';

let folder: string;
let locksFolder: string;
let disk: string;
let locks: FileLocks;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-locks-'));
  locksFolder = join(folder, 'locks');
  disk = join(folder, 'base.img');
  writeFileSync(disk, 'a disk');
  locks = new FileLocks(locksFolder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('locks on files, inside one process', () => {
  test('readers share, a writer excludes, and letting go is enough', () => {
    const one = locks.take(disk, 'shared', 'one');
    const two = locks.take(disk, 'shared', 'two');
    expect(() => locks.take(disk, 'exclusive', 'three')).toThrow(
      /cannot be written, for one \(in this Cairn\), two \(in this Cairn\) has it open/,
    );
    one[Symbol.dispose]();
    expect(() => locks.take(disk, 'exclusive', 'three')).toThrow(/for two \(in this Cairn\) has it open/);
    two[Symbol.dispose]();
    two[Symbol.dispose](); // a second time does nothing
    using writer = locks.take(disk, 'exclusive', 'three');
    expect(writer.kind).toBe('exclusive');
    expect(() => locks.take(disk, 'shared', 'one')).toThrow(/cannot be opened, for three \(in this Cairn\) writes to it/);
    expect(() => locks.take(disk, 'exclusive', 'one')).toThrow(/for three/);
  });

  test('another name of the same file is the same file; another file is not', () => {
    const link = join(folder, 'link.img');
    const hard = join(folder, 'hard.img');
    const other = join(folder, 'other.img');
    symlinkSync(disk, link);
    linkSync(disk, hard);
    writeFileSync(other, 'another');
    using writer = locks.take(link, 'exclusive', 'writer');
    expect(writer.kind).toBe('exclusive');
    expect(() => locks.take(disk, 'shared', 'reader')).toThrow(/writer/);
    expect(() => locks.take(hard, 'shared', 'reader')).toThrow(/writer/);
    using free = locks.take(other, 'exclusive', 'reader');
    expect(free.kind).toBe('exclusive');
  });

  test('a file that is not there is told in one sentence', () => {
    expect(() => locks.take(join(folder, 'none.img'), 'shared', 'x')).toThrow(/none\.img cannot be opened: it does not exist/);
  });

  test('letting go leaves no note of the holder behind', () => {
    locks.take(disk, 'shared', 'one')[Symbol.dispose]();
    expect(readdirSync(locksFolder)).toEqual([expect.stringMatching(/\.lock$/)]);
  });
});

describe('locks on files, between processes', () => {
  test('a writer elsewhere is named, and so is a reader', async () => {
    const writer = await holdElsewhere(locksFolder, disk, 'exclusive', 'debian');
    expect(() => locks.take(disk, 'shared', 'here')).toThrow(`${disk} cannot be opened, for debian (process ${writer.pid}) writes to it`);
    await writer.release();
    const reader = await holdElsewhere(locksFolder, disk, 'shared', 'debian');
    using also = locks.take(disk, 'shared', 'here');
    expect(also.kind).toBe('shared');
    expect(() => locks.take(disk, 'exclusive', 'here')).toThrow(`debian (process ${reader.pid})`);
    expect((await holdElsewhere(locksFolder, disk, 'exclusive', 'third')).refusal).toContain(`here (process ${process.pid})`);
    await reader.release();
  });

  test('a lock dies with a process that is killed, and its note is no one any more', async () => {
    const writer = await holdElsewhere(locksFolder, disk, 'exclusive', 'debian');
    expect(writer.refusal).toBeUndefined();
    expect(() => locks.take(disk, 'shared', 'here')).toThrow(/debian/);
    await writer.kill();
    using mine = locks.take(disk, 'exclusive', 'here');
    expect(mine.kind).toBe('exclusive');
    expect(() => locks.take(disk, 'shared', 'also here')).toThrow(`${disk} cannot be opened, for here (in this Cairn) writes to it`);
    expect(readdirSync(locksFolder).filter(name => name.includes(`.${writer.pid}-`))).toEqual([]);
  });
});
