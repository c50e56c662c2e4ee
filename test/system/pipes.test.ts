/** A pipe in the place of a file that a command names, or of any file of a bundle, is told as that: nothing waits for it. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { VmSummary } from '#main/ipc/contract.ts';
import { CairnHome } from '../support/cairn.ts';
import { echoGuest } from '../support/echo-guest.ts';

let home: CairnHome;
let kernel: string;
beforeEach(() => {
  home = new CairnHome();
  kernel = path.join(mkdtempSync(path.join(home.folder, 'k-')), 'kernel');
  writeFileSync(kernel, echoGuest());
});
afterEach(() => home.dispose());

function pipeAt(file: string): string {
  rmSync(file, { force: true, recursive: true });
  execFileSync('mkfifo', [file]);
  return file;
}

/** Ends by itself: a command that waits for a pipe would end the test by its time-out. */
async function run(...args: string[]): Promise<{ status: number | string; errors: string; text: string }> {
  const verb = home.start(...args);
  return { status: await verb.ended, errors: verb.errors, text: verb.text };
}

test('as kernel, initrd, disk, CD, backing file, and for every verb that looks at an image', async () => {
  const pipe = pipeAt(path.join(home.folder, 'pipe'));
  const overlay = path.join(home.folder, 'overlay.qcow2');
  execFileSync('qemu-img', ['create', '-q', '-u', '-f', 'qcow2', '-b', pipe, '-F', 'raw', overlay, '1M']);
  const guest = ['--name', 'x', '--memory', '16M', '--kernel', kernel];
  for (const args of [
    ['run', '--name', 'x', '--kernel', pipe],
    ['run', ...guest, '--initrd', pipe],
    ['run', ...guest, '--disk', `${pipe},format=raw`],
    ['run', ...guest, '--disk', `${pipe},if=ide,media=cdrom`],
    ['run', ...guest, '--disk', overlay],
    ...['info', 'check', 'map', 'repair', 'compact'].map(verb => ['disk', verb, pipe]),
    ['disk', 'map', overlay],
    ['disk', 'convert', overlay, path.join(home.folder, 'target.qcow2')],
    ['disk', 'convert', pipe, path.join(home.folder, 'target.qcow2')],
    ['disk', 'compare', pipe, overlay],
    ['disk', 'resize', pipe, '2M'],
    ['inspect', pipe],
    ['store', 'show', pipe],
  ]) {
    const { status, errors } = await run(...args);
    expect(status, args.join(' ')).toBeGreaterThan(0);
    expect(errors.trim().split('\n'), args.join(' ')).toHaveLength(1);
    expect(errors, args.join(' ')).not.toContain('something went wrong');
  }
  expect(home.json<VmSummary[]>('vm', 'list')).toEqual([]);
});

test('as any file of a bundle: the other VMs are listed, and every verb ends', async () => {
  const disk = path.join(home.folder, 'disk.img');
  writeFileSync(disk, new Uint8Array(1 << 20));
  for (const name of ['odd', 'other']) {
    const vm = home.run('--name', name, '--memory', '16M', '--kernel', kernel, '--disk', `${disk},format=raw`);
    await vm.waitFor(/ready/);
    for (const title of ['one', 'two']) home.json('checkpoint', 'take', name, '--title', title);
    if (name === 'odd') home.json('checkpoint', 'delete', name, home.json<{ id: string }[]>('checkpoint', 'list', name)[0]!.id);
    expect(await vm.kill('SIGTERM')).toBe(0);
  }
  const bundle = path.join(home.folder, 'odd.cairn');
  const kept = path.join(home.folder, 'kept');
  cpSync(bundle, kept, { recursive: true });
  const within = (folder: string) => readdirSync(path.join(kept, folder)).map(name => path.join(folder, name));
  const files = ['vm.json', 'state.json', 'catalog.db', 'catalog.db-journal', 'owner.json', 'state.json.tmp', 'owner.json.tmp'];
  for (const file of [...files, ...within('disks'), 'disks/revert.json', ...within('checkpoints'), 'checkpoints']) {
    rmSync(bundle, { recursive: true });
    cpSync(kept, bundle, { recursive: true });
    pipeAt(path.join(bundle, file));
    expect(JSON.parse((await run('vm', 'list', '--json')).text), file).toMatchObject([{ name: 'odd' }, { name: 'other', state: 'off' }]);
    for (const verb of [['check'], ['checkpoint', 'list'], ['repair']]) {
      const { status, errors } = await run(...verb, 'odd');
      expect(typeof status, `${verb.join(' ')} with ${file}: ${errors}`).toBe('number');
      expect(errors, `${verb.join(' ')} with ${file}`).not.toContain('something went wrong');
    }
    expect(existsSync(path.join(bundle, 'vm.json')), file).toBe(true);
  }
});
