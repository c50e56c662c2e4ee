/**
 * On file systems that share blocks between files (XFS, Btrfs) the copy of the base that step 830 asks for is the storage's (METHOD § 50, 107, 113): it takes no room and
 * both go their own ways afterwards. On ext4 the bytes are copied.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DiskCollector } from '#engine/disk/graph/collector.ts';
import { attachDisk } from '#engine/disk/graph/create.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { VirtualDiskFiles } from '#engine/disk/graph/virtual-disk-files.ts';
import { createQcow2 } from '#engine/disk/qcow2/create.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { pattern } from '#test/support/disk-model.ts';
import { expectQemuCheck, qemuImg } from '#test/support/qemu-img.ts';
import { graphHost } from '#worker/node-graph-host.ts';

const MIB = 1 << 20;
const SIZE = 48 * MIB;

let folder: string;
let mounted: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-reflink-'));
  mounted = join(folder, 'mounted');
  mkdirSync(mounted);
});
afterEach(() => {
  execFileSync('umount', [mounted]);
  rmdirSync(mounted);
  rmSync(folder, { recursive: true });
});

function mountFresh(mkfs: string, args: readonly string[]): void {
  const image = join(folder, 'image');
  writeFileSync(image, '');
  truncateSync(image, 320 * MIB);
  execFileSync(mkfs, [...args, image]);
  execFileSync('mount', ['-o', 'loop', image, mounted]);
}

function usedBytes(): number {
  execFileSync('sync', ['-f', mounted]);
  const { blocks, bfree, bsize } = statfsSync(mounted);
  return (blocks - bfree) * bsize;
}

/** A disk in mode “copy” on a base of its own that is full of noise, and that is written to. */
function fullDisk(): VirtualDiskFiles {
  const path = join(mounted, 'base.qcow2');
  createQcow2(graphHost.files, graphHost.codec, path, { sizeBytes: SIZE, clusterBytes: 65536 });
  {
    using image = new Qcow2Image(graphHost.files, graphHost.codec, path, { writable: true });
    for (let at = 0; at < SIZE; at += MIB) image.write(at, pattern(MIB, at / MIB));
    image.settle();
  }
  const disks = new DiskFolder(graphHost, mounted, 'disk0');
  attachDisk(disks, { path, format: 'qcow2', writeBase: true }, { mode: 'copy' });
  return new VirtualDiskFiles(disks);
}

test.each([
  { name: 'XFS', mkfs: 'mkfs.xfs', args: ['-q', '-m', 'reflink=1'], shares: true },
  { name: 'Btrfs', mkfs: 'mkfs.btrfs', args: ['-q'], shares: true },
  { name: 'ext4', mkfs: 'mkfs.ext4', args: ['-q'], shares: false },
])(
  'the copy of the base on $name (shares blocks: $shares) is the checkpoint’s, whatever is written afterwards',
  ({ mkfs, args, shares }) => {
    mountFresh(mkfs, args);
    const disk = fullDisk();
    disk.prepareCow();
    disk.switchToCow();
    const layer = disk.seal()!;
    const before = usedBytes();
    disk.letGo(layer);
    disk.top.write(5 * MIB, pattern(MIB, 200));
    {
      using collector = new DiskCollector(disk, {
        needs: () => ({ pointed: new Set([layer]), pinned: new Set() }),
        running: false,
        landing: { thresholdBytes: MIB },
      });
      while (collector.step(8 * MIB) === 'more');
    }
    disk.flush();
    const grown = usedBytes() - before;
    disk.close();
    if (shares) expect(grown).toBeLessThan(8 * MIB);
    else expect(grown).toBeGreaterThan(SIZE - MIB);
    expectQemuCheck(join(mounted, 'base.qcow2'), 'some');
    expectQemuCheck(disk.folder.layerPath(layer), 'some');
    const should = new Uint8Array(SIZE);
    for (let at = 0; at < SIZE; at += MIB) should.set(pattern(MIB, at / MIB), at);
    const raw = join(folder, 'should.raw');
    writeFileSync(raw, should);
    qemuImg('compare', '-f', 'qcow2', '-F', 'raw', disk.folder.layerPath(layer), raw);
    should.set(pattern(MIB, 200), 5 * MIB);
    writeFileSync(raw, should);
    qemuImg('compare', '-f', 'qcow2', '-F', 'raw', disk.top.path, raw);
  },
);
