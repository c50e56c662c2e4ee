/** Every verb has the same rules for the same image: which backing files it may follow, how large it may be, and sizes that are no whole sectors. */
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DiskInfo } from '#engine/disk/info.ts';
import { CairnHome } from '../support/cairn.ts';
import { pattern } from '../support/disk-model.ts';
import { expectQemuCheck, qemuImg, qemuIo } from '../support/qemu-img.ts';
import { CLI, HLT, TinyKernel } from '../support/tiny-kernel.ts';

const MIB = 2 ** 20;
const TIB = 2 ** 40;
let home: CairnHome;
beforeEach(() => {
  home = new CairnHome();
  mkdirSync(at('images'));
  mkdirSync(at('bases'));
  // It ends the VM at once, with (0 << 1) | 1.
  writeFileSync(at('kernel'), new TinyKernel().out8(0xf4, 0).raw(CLI, HLT).image());
});
afterEach(() => home.dispose());

const at = (name: string) => path.join(home.folder, name);
let runs = 0;
const run = (disk: string) =>
  home.cli('run', '--name', `vm${runs++}`, '--kernel', at('kernel'), '--debug-exit', '--serial', 'none', '--disk', disk);

interface Door {
  readonly name: string;
  /** What it does with the image, and what of the user's words must be there for a file to be allowed. */
  readonly go: (image: string, allow: readonly string[]) => { status: number | null; stderr: string };
  readonly good: number;
}

const asOption = (allow: readonly string[]) => allow.map(each => `,allow=${each}`).join('');
const asWords = (allow: readonly string[]) => allow.flatMap(each => ['--allow', each]);
const verb = (name: string, more: (image: string) => readonly string[] = () => []): Door => ({
  name: `disk ${name}`,
  go(image, allow) {
    const { status, stderr } = home.cli('disk', name, image, ...more(image), ...asWords(allow));
    return { status, stderr: stderr.replaceAll(/^\w+ing .* % of .*\n/gm, '') }; // on a busy host it tells how far it is
  },
  good: 0,
});
const DOORS: readonly Door[] = [
  { name: 'run', go: (image, allow) => run(`${image}${asOption(allow)}`), good: 1 },
  { name: 'run, read-only', go: (image, allow) => run(`${image},readonly${asOption(allow)}`), good: 1 },
  { name: 'run, a CD-ROM', go: (image, allow) => run(`${image},media=cdrom${asOption(allow)}`), good: 1 },
  verb('convert', () => [at(`copy${runs++}.qcow2`)]),
  verb('map'),
  verb('compare', image => [image]),
  verb('info', () => ['--chain']),
  verb('resize', () => ['+1M']),
];

describe('backing files', () => {
  test.each(DOORS)('$name: beside the image without a word, elsewhere once they are allowed', ({ go, good }) => {
    for (const [base, name] of [
      ['images/beside.raw', 'images/top1.qcow2'],
      ['bases/base.raw', 'images/top2.qcow2'],
    ] as const) {
      writeFileSync(at(base), pattern(MIB, 3));
      qemuImg('create', '-q', '-f', 'qcow2', '-b', at(base), '-F', 'raw', at(name));
    }
    const near = go(at('images/top1.qcow2'), []);
    expect([near.status, near.stderr]).toEqual([good, '']);
    const far = go(at('images/top2.qcow2'), []);
    expect([far.status, far.stderr]).toEqual([
      2,
      expect.stringContaining('which is outside the image’s own folder: allow that file or its folder'),
    ]);
    const allowed = go(at('images/top2.qcow2'), [at('images'), at(good === 0 ? 'bases/base.raw' : 'bases')]);
    expect([allowed.status, allowed.stderr]).toEqual([good, '']);
  });

  test('of a disc that is changed, and a VM that was told goes on being allowed', () => {
    writeFileSync(at('bases/base.raw'), pattern(MIB, 3));
    qemuImg('create', '-q', '-f', 'qcow2', '-b', at('bases/base.raw'), '-F', 'raw', at('images/disc.qcow2'));
    const start = (...more: string[]) => home.cli('run', '--name', 'drive', '--debug-exit', '--serial', 'none', ...more);
    expect(start('--kernel', at('kernel'), '--disk', 'none,media=cdrom').status).toBe(1);
    expect(home.cli('vm', 'media', 'drive', at('images/disc.qcow2'), '--allow', at('bases')).status).toBe(0);
    expect(start('--kernel', at('kernel'))).toMatchObject({ status: 1, stderr: '' });
    expect(home.cli('vm', 'media', 'drive', at('images/disc.qcow2')).status).toBe(0);
    expect(start('--kernel', at('kernel'))).toMatchObject({ status: 2, stderr: expect.stringContaining('outside the image’s own folder') });
  });
});

describe('sizes', () => {
  test.each(DOORS.filter(({ name }) => !/read-only|resize/.test(name)))(
    '$name: an end within a sector is one with zeroes behind it',
    ({ go, good }) => {
      writeFileSync(at('images/odd.img'), pattern(MIB + 100, 5));
      qemuImg('create', '-q', '-f', 'qcow2', '-b', at('images/odd.img'), '-F', 'raw', at('images/over.qcow2'));
      for (const name of ['images/odd.img', 'images/over.qcow2'])
        expect([name, go(at(name), [])]).toMatchObject([name, { status: good, stderr: '' }]);
    },
  );

  test.each(DOORS.filter(({ name }) => !/read-only|CD-ROM|compare|resize/.test(name)))(
    '$name: disks of more than 4 TiB',
    ({ name, go, good }) => {
      writeFileSync(at('images/large.img'), '');
      truncateSync(at('images/large.img'), 5 * TIB);
      // Of a raw disk nobody knows where holes are, and to read 5 TiB takes its time.
      if (!/convert/.test(name)) expect(go(at('images/large.img'), [])).toMatchObject({ status: good, stderr: '' });
      qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=2M', at('images/huge.qcow2'), '6T');
      qemuIo(at('images/huge.qcow2'), 'write -P 7 5T 64k');
      expect(go(at('images/huge.qcow2'), [])).toMatchObject({ status: good, stderr: '' });
    },
  );

  test('what is made follows size and base, and what cannot be made is refused by every verb in the same words', () => {
    const info = (...args: string[]) => home.json<DiskInfo>('disk', ...args);
    expect(info('create', at('a.qcow2'), '--size', '10G').clusterBytes).toBe(65_536);
    expect(info('create', at('b.qcow2'), '--size', '8T')).toMatchObject({ sizeBytes: 8 * TIB, clusterBytes: 2 ** 18 });
    expect(info('create', at('c.qcow2'), '--size', '128T').clusterBytes).toBe(2 * MIB);
    expect(info('create', at('d.qcow2'), '--size', '1M', '--cluster', '2M').clusterBytes).toBe(2 * MIB);
    expect(info('create', at('e.qcow2'), '--backing', 'd.qcow2', '--backing-format', 'qcow2').clusterBytes).toBe(2 * MIB);
    expect(info('create', at('f.qcow2'), '--backing', 'b.qcow2', '--backing-format', 'qcow2').clusterBytes).toBe(2 ** 18);
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) expectQemuCheck(at(`${name}.qcow2`));
    expect(home.cli('disk', 'create', at('x.qcow2'), '--size', '129T')).toMatchObject({
      ...{ status: 2, stderr: expect.stringContaining('do for 128 TiB: they are the largest that there are') },
    });
    for (const args of [
      ['create', at('x.qcow2'), '--size', '5T', '--cluster', '64K'],
      ['resize', at('a.qcow2'), '5T'],
    ])
      expect(home.cli('disk', ...args)).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('for clusters of 65536 bytes, which do for 4 TiB'),
      });
    expect(home.cli('disk', 'info', at('b.qcow2')).stdout).toContain('8.0 TiB');
    writeFileSync(at('odd.img'), pattern(1, 5));
    expect(info('info', at('odd.img'))).toMatchObject({ sizeBytes: 512, fileBytes: 1 });
  });

  test('an odd size that is asked for is rounded up, and said', () => {
    for (const format of ['raw', 'qcow2']) {
      const made = home.cli('disk', 'create', at(`${format}.${format}`), '--format', format, '--size', '1000');
      expect(made).toMatchObject({
        status: 0,
        stderr: 'cairn: 1000 bytes are rounded up to 1024: a disk has whole sectors of 512 bytes.\n',
      });
      expect(home.json<DiskInfo>('disk', 'info', at(`${format}.${format}`)).sizeBytes).toBe(1024);
      expect(home.cli('disk', 'resize', at(`${format}.${format}`), '2001').status).toBe(0);
      expect(home.json<DiskInfo>('disk', 'info', at(`${format}.${format}`)).sizeBytes).toBe(2048);
      expect(home.cli('disk', 'create', at('none'), '--format', format, '--size', '0').status).toBe(1);
    }
  });

  test('an empty file is no disk', () => {
    writeFileSync(at('images/empty.img'), '');
    expect(run(at('images/empty.img'))).toMatchObject({ status: 2, stderr: expect.stringContaining('is empty: there is no disk in it') });
    expect(run(`${at('images/empty.img')},readonly`)).toMatchObject({ status: 2, stderr: expect.stringContaining('is empty') });
    expect(home.cli('disk', 'convert', at('images/empty.img'), at('x.qcow2'))).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('is empty'),
    });
  });
});
