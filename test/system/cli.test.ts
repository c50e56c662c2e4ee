/** The cairn command as a user has it: real processes, a real (tiny) guest. */
import { execFileSync, spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PagesReader } from '#engine/checkpoint/format/pages-reader.ts';
import { HostService } from '#main/host-service.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { echoGuest } from '../support/echo-guest.ts';
import type { Checkpoint, CheckpointFigures, VmDetail, VmSummary } from '#main/ipc/contract.ts';

const command = fileURLToPath(new URL('../../scripts/cairn.mjs', import.meta.url));

let home: string;
let guest: string;
const running = new Set<Running>();
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-cli-'));
  guest = join(home, 'echo-guest');
  writeFileSync(guest, echoGuest());
});
afterEach(async () => {
  for (const vm of running) await vm.kill('SIGKILL');
  running.clear();
  rmSync(home, { recursive: true, force: true });
});

const environment = () => ({ ...process.env, CAIRN_HOME: join(home, 'library') });
const cairn = (...args: string[]) => spawnSync(process.execPath, [command, ...args], { env: environment(), encoding: 'utf8' });
function json<T>(...args: string[]): T {
  const { status, stdout, stderr } = cairn(...args, '--json');
  if (status !== 0) throw new Error(`cairn ${args.join(' ')}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Where in a checkpoint's file a byte of memory is. */
function middleOfPages(file: string): number {
  using reader = PagesReader.openPages(nodeFiles, file, nodeCodec);
  const { offset, storedLength } = reader.groups[0]!;
  return offset + (storedLength >> 1);
}

/** `cairn run` in a process of its own. */
class Running {
  text = '';
  errors = '';
  readonly ended: Promise<number | NodeJS.Signals | null>;
  private readonly child: ChildProcessWithoutNullStreams;
  private look = () => {};

  constructor(...args: string[]) {
    this.child = spawn(process.execPath, [command, 'run', ...args], { env: environment() });
    this.child.stdin.on('error', () => {});
    this.child.stdout.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1');
      this.look();
    });
    this.child.stderr.on('data', (bytes: Buffer) => (this.errors += bytes.toString()));
    this.ended = new Promise(resolve => this.child.on('close', (code, signal) => resolve(code ?? signal)));
    running.add(this);
  }
  type(text: string): void {
    this.child.stdin.write(Buffer.from(text, 'latin1'));
  }
  closeInput(): void {
    this.child.stdin.end();
  }
  /** Settles when `text` is all that has been said; fails when the process ends without it. */
  async says(text: string): Promise<void> {
    const said = new Promise<void>(resolve => {
      this.look = () => this.text === text && resolve();
      this.look();
    });
    await Promise.race([said, this.ended]);
    if (this.text !== text) throw new Error(`it ended after ${JSON.stringify(this.text)}, without ${JSON.stringify(text)}: ${this.errors}`);
  }
  kill(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    this.child.kill(signal);
    return this.ended;
  }
}

const start = (name: string, ...more: string[]) => new Running('--name', name, '--kernel', guest, '--memory', '16M', ...more);

describe('cairn run', () => {
  test('is the serial port, byte for byte, until the guest powers off', async () => {
    const vm = start('a');
    await vm.says('ready\n');
    const bytes = '\x00\x01\x04\x1a EOF ENDS NOTHING \xff';
    vm.type(bytes);
    await vm.says(`ready\n${bytes}`);
    vm.type('q');
    expect(await vm.ended).toBe(0);
    expect(vm.errors).toBe('');
    expect(json<VmSummary[]>('vm', 'list')).toMatchObject([{ name: 'a', state: 'off' }]);
  });

  test.each([
    ['halts for good', 'h', [], 0],
    ['ends itself by the debug-exit port', 'd', ['--debug-exit'], 7],
    ['resets where it may not', 'r', ['--no-reboot'], 0],
  ])('ends with its code when the guest %s', async (_, letter, options, code) => {
    const vm = start('a', ...options);
    await vm.says('ready\n');
    vm.closeInput();
    const other = cairn('vm', 'show', 'a'); // the end of stdin ended nothing
    expect(other.stdout).toContain('running');
    const again = start('b', ...options);
    await again.says('ready\n');
    again.type(letter);
    expect(await again.ended).toBe(code);
    expect(await vm.kill('SIGTERM')).toBe(0);
  });

  test('a reset starts the guest again', async () => {
    const vm = start('a');
    await vm.says('ready\n');
    vm.type('r');
    await vm.says('ready\nready\n');
    expect(await vm.kill('SIGINT')).toBe(0);
  });

  test('without a name leaves nothing behind', async () => {
    const vm = new Running('--kernel', guest, '--memory', '16M');
    await vm.says('ready\n');
    vm.type('q');
    expect(await vm.ended).toBe(0);
    expect(json('vm', 'list')).toEqual([]);
  });
});

describe('checkpoints of a VM that another process runs', () => {
  test('are deleted, kept, checked and taken by its policy when the host ends it', async () => {
    const vm = start('a');
    await vm.says('ready\n');
    const [one, two] = [json<Checkpoint>('checkpoint', 'take', 'a'), json<Checkpoint>('checkpoint', 'take', 'a', '--title', 'two')];
    expect(json<Checkpoint>('checkpoint', 'keep', 'a', one.id)).toMatchObject({ pinned: true });
    expect(cairn('checkpoint', 'delete', 'a', one.id)).toMatchObject({ status: 2, stderr: expect.stringContaining('is kept') });
    expect(json('checkpoint', 'delete', 'a', one.id, '--force')).toMatchObject({ ids: [one.id] });
    expect(json('checkpoint', 'show', 'a', two.id)).toMatchObject({
      checkpoint: { title: 'two', parent: null },
      memory: { sharedBytes: 0 },
    });
    expect(json('policy', 'set', 'a', '--shutdown', 'on')).toMatchObject({ shutdown: true });
    expect(cairn('repair', 'a')).toMatchObject({ status: 3 });
    expect(json('check', 'a')).toMatchObject({ problems: [], complete: false });
    expect(await vm.kill('SIGTERM')).toBe(0);
    expect(json<Checkpoint[]>('checkpoint', 'list', 'a')).toMatchObject([{ title: 'two' }, { trigger: 'shutdown', parent: two.id }]);
    expect(json('check', 'a')).toMatchObject({ checkpoints: 2, problems: [], complete: true });
    expect(json('repair', 'a')).toMatchObject({ checkpoints: 2, removed: [] });
    rmSync(join(home, 'library', 'a.cairn', 'catalog.db'));
    expect(json<VmSummary>('vm', 'show', 'a')).toMatchObject({ checkpoints: 0 });
    expect(json<Checkpoint[]>('checkpoint', 'list', 'a')).toHaveLength(2);
  });

  test('are kept in another folder, those of a clone too, and the VM is not opened without it', async () => {
    const store = join(home, 'store');
    mkdirSync(store);
    const vm = start('a', '--checkpoint-store', store);
    vm.type('+');
    await vm.says('ready\nA');
    const { id } = json<Checkpoint>('checkpoint', 'take', 'a');
    await vm.kill('SIGKILL');
    json('vm', 'clone', 'a', id, '--as', 'b');
    expect(['a', 'b'].map(name => readdirSync(join(store, `${name}.checkpoints`)))).toEqual([[`${id}.ckpt`], [`${id}.ckpt`]]);
    json('vm', 'delete', 'a');
    expect(readdirSync(store)).toEqual(['b.checkpoints']);
    renameSync(store, join(home, 'away'));
    const refused = cairn('run', '--name', 'b', '--serial', 'none');
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('which is not there: mount it') });
    renameSync(join(home, 'away'), store);
    const clone = new Running('--name', 'b');
    clone.type('=q');
    await clone.says('A');
    expect(await clone.ended).toBe(0);
  });

  test('are gone back to in RAM where the VM keeps them there, and from their files where they have been given up', async () => {
    const vm = start('a', '--keep-in-ram');
    vm.type('+');
    await vm.says('ready\nA');
    const one = json<Checkpoint>('checkpoint', 'take', 'a');
    vm.type('+');
    await vm.says('ready\nAB');
    const two = json<Checkpoint>('checkpoint', 'take', 'a');
    const bundle = join(home, 'library', 'a.cairn', 'checkpoints');
    renameSync(join(bundle, `${two.id}.ckpt`), join(bundle, 'aside'));
    vm.type('+');
    await vm.says('ready\nABC');
    expect(json<VmSummary>('checkpoint', 'revert', 'a', two.id)).toMatchObject({ state: 'running', current: two.id }); // without its file
    vm.type('=+');
    await vm.says('ready\nABCBC');
    renameSync(join(bundle, 'aside'), join(bundle, `${two.id}.ckpt`));
    json('checkpoint', 'revert', 'a', one.id);
    vm.type('=');
    await vm.says('ready\nABCBCA');
    json('checkpoint', 'revert', 'a', two.id); // given up with the revert past it
    vm.type('=q');
    await vm.says('ready\nABCBCAB');
    expect(await vm.ended).toBe(0);
  });

  test('are encrypted under a passphrase that each start asks for', async () => {
    const [secret, wrong] = ['open sesame', 'open barley'].map((text, n) => {
      const file = join(home, `secret${n}`);
      writeFileSync(file, `${text}\n`);
      return file;
    }) as [string, string];
    expect(cairn('run', '--name', 'a', '--kernel', guest, '--encrypt').status).toBe(1);
    const vm = start('a', '--encrypt', '--passphrase-file', secret);
    vm.type('+');
    await vm.says('ready\nA');
    const { id } = json<Checkpoint>('checkpoint', 'take', 'a');
    vm.type('+');
    await vm.says('ready\nAB');
    json('checkpoint', 'revert', 'a', id); // the process has the passphrase
    vm.type('=');
    await vm.says('ready\nABA');
    await vm.kill('SIGKILL');

    const bundle = join(home, 'library', 'a.cairn');
    expect(readFileSync(join(bundle, 'vm.json'), 'utf8')).not.toContain('sesame');
    const file = join(bundle, 'checkpoints', `${id}.ckpt`);
    expect(json('inspect', file)).toMatchObject({ encrypted: true, devices: [] });
    expect(json<{ devices: unknown[] }>('inspect', file, '--passphrase-file', secret).devices.length).toBeGreaterThan(5);
    expect(json('check', 'a')).toMatchObject({ checkpoints: 1, locked: 1, problems: [] });
    expect(json('check', 'a', '--passphrase-file', secret)).toMatchObject({ checkpoints: 1, locked: 0, problems: [] });
    json('checkpoint', 'revert', 'a', id);
    const [none, bad] = [[], ['--passphrase-file', wrong]].map(more => cairn('run', '--name', 'a', '--serial', 'none', ...more));
    expect(none).toMatchObject({ status: 4, stderr: expect.stringContaining('`cairn run --name a --passphrase-file FILE`') });
    expect(bad).toMatchObject({ status: 4, stderr: expect.stringContaining('The passphrase is not that of') });
    const again = new Running('--name', 'a', '--passphrase-file', '-');
    again.type('open sesame\n=');
    await again.says('A');
  });

  test('are taken as the settings of the VM say, and tell what they cost', async () => {
    const settings = ['--compression', 'none', '--checkpoint-pace', 'fast', '--copy-limit', '8M'];
    const vm = start('a', ...settings);
    await vm.says('ready\n');
    const taken = json<Checkpoint & { figures: CheckpointFigures }>('checkpoint', 'take', 'a');
    expect(taken.figures).toMatchObject({ limitBytes: 8 * 2 ** 20, workShare: 1 });
    const file = join(home, 'library', 'a.cairn', 'checkpoints', `${taken.id}.ckpt`);
    const { pageBytes } = json<{ pageBytes: { raw: number; stored: number } }>('inspect', file);
    expect(pageBytes.stored).toBe(pageBytes.raw);
    expect(json<VmDetail>('vm', 'show', 'a').config).toMatchObject({ compression: 'none', checkpointPace: 'fast', copyLimitMiB: 8 });
    expect(cairn('run', '--name', 'a', '--checkpoint-pace', 'hasty').status).toBe(1);
  });

  test('are taken, listed, renamed, reverted to and started from', async () => {
    const vm = start('a');
    await vm.says('ready\n');
    vm.type('++');
    await vm.says('ready\nAB');
    const one = json<Checkpoint>('checkpoint', 'take', 'a', '--title', 'two counted');
    expect(one).toMatchObject({ title: 'two counted', parent: null, running: true });
    expect(one.pauseMs).toBeGreaterThan(0);
    vm.type('+');
    await vm.says('ready\nABC');
    expect(json<VmSummary>('checkpoint', 'revert', 'a', one.id)).toMatchObject({ state: 'running', current: one.id });
    vm.type('=+');
    await vm.says('ready\nABCBC');
    const two = json<Checkpoint>('checkpoint', 'take', 'a');
    expect(two.parent).toBe(one.id);
    expect(json<Checkpoint>('checkpoint', 'rename', 'a', two.id, 'three counted').title).toBe('three counted');
    expect(json<Checkpoint[]>('checkpoint', 'list', 'a').map(({ title }) => title)).toEqual(['two counted', 'three counted']);

    const other = new Running('--from', `a/${two.id}`, '--name', 'b');
    other.type('=');
    await other.says('C');
    await vm.kill('SIGKILL');
    json('vm', 'delete', 'a'); // the clone needs nothing of it
    other.type('+q');
    expect(await other.ended).toBe(0);
    expect(other.text).toBe('CD');
    expect(json<Checkpoint>('inspect', join(home, 'library', 'b.cairn', 'checkpoints', `${two.id}.ckpt`)).id).toBe(two.id);
  });

  test('kill -9 lets go of the VM, and a VM that is off is reverted and goes on', async () => {
    const vm = start('a');
    vm.type('+');
    await vm.says('ready\nA');
    const { id } = json<Checkpoint>('checkpoint', 'take', 'a');
    await vm.kill('SIGKILL');
    expect(json<VmSummary>('vm', 'show', 'a')).toMatchObject({ state: 'crashed', current: id });
    const off = json<Checkpoint>('checkpoint', 'take', 'a', '--title', 'off');
    expect(off).toMatchObject({ running: false, parent: id });
    json('checkpoint', 'revert', 'a', id);
    const again = new Running('--name', 'a');
    again.type('=');
    await again.says('A');
    expect(readdirSync(join(home, 'library', 'a.cairn', 'checkpoints')).toSorted()).toEqual([`${id}.ckpt`, `${off.id}.ckpt`].toSorted());
  });

  test('a stop while it goes back to one ends it', async () => {
    const vm = start('a');
    await vm.says('ready\n');
    const { id } = json<Checkpoint>('checkpoint', 'take', 'a');
    const service = new HostService({ libraryPath: join(home, 'library'), version: '0' });
    const client = service.connect();
    const reverted = client.request('checkpoint.revert', { name: 'a', id }).catch((error: Error) => error.message);
    await client.request('vm.stop', { name: 'a', how: 'plug' });
    await reverted; // done just before, or refused
    expect(await vm.ended).toBe(0);
    expect(vm.errors).toBe('');
    await service.close();
    expect(json<VmSummary>('vm', 'show', 'a')).toMatchObject({ state: 'off' });
  });

  test('one that cannot be read makes no VM', async () => {
    const vm = start('a');
    await vm.says('ready\n');
    const { id } = json<Checkpoint>('checkpoint', 'take', 'a');
    const file = join(home, 'library', 'a.cairn', 'checkpoints', `${id}.ckpt`);
    const bytes = readFileSync(file);
    bytes[middleOfPages(file)]! ^= 1;
    writeFileSync(file, bytes);
    const refused = cairn('run', '--from', id, '--name', 'b', '--verify', '--serial', 'none');
    expect(refused.stderr).toMatch(/^cairn: .*is damaged.*\n$/);
    expect(refused.status).toBe(4);
    expect(json<VmSummary[]>('vm', 'list').map(({ name }) => name)).toEqual(['a']);
    // Without --verify the guest runs at once, and ends when the damaged pages come to be read.
    const ended = cairn('run', '--from', id, '--name', 'b', '--serial', 'none');
    expect(ended.stderr).toMatch(/^cairn: b crashed: .*is damaged.*\n$/);
    expect(ended.status).toBe(70);
  });

  test('pause stops the guest, resume lets it go on, stop ends it', async () => {
    const vm = start('a');
    await vm.says('ready\n');
    expect(json<VmSummary>('vm', 'pause', 'a').state).toBe('paused');
    vm.type('x');
    expect(json<VmDetail>('vm', 'show', 'a')).toMatchObject({ state: 'paused', ownedElsewhere: true, checkpoints: 0 });
    expect(vm.text).toBe('ready\n');
    expect(json<VmSummary>('vm', 'resume', 'a').state).toBe('running');
    await vm.says('ready\nx');
    expect(json<VmSummary>('vm', 'stop', 'a').state).toBe('off');
    expect(await vm.ended).toBe(0);
  });
});

describe('what goes wrong is one sentence and a code', () => {
  test.each([
    ['a verb that is none', ['chekpoint'], 1, /“chekpoint”/],
    ['an option that is none', ['run', '--kernle', 'x'], 1, /--kernle/],
    ['too few words', ['checkpoint', 'revert', 'a'], 1, /usage: cairn checkpoint revert NAME ID/],
    ['a size that is none', ['run', '--name', 'a', '--memory', 'lots', '--kernel', 'k'], 1, /lots/],
    ['too much memory', ['run', '--name', 'a', '--memory', '64G', '--kernel', 'k'], 2, /at most 3072 MiB/],
    ['a kernel that is not there', ['run', '--name', 'a', '--kernel', '/no/such/kernel'], 2, /\/no\/such\/kernel does not exist/],
    ['a file that is no kernel', ['run', '--name', 'a', '--kernel', process.execPath], 2, /node/],
    ['a VM that is not there', ['vm', 'show', 'nobody'], 2, /there is no VM nobody/],
    ['a checkpoint that is not there', ['run', '--name', 'a', '--from', '0123456789abcdef'], 2, /0123456789abcdef/],
    ['a VM that is off', ['vm', 'create'], 1, /not “create”/],
  ])('%s', (_, args, code, sentence) => {
    const { status, stdout, stderr } = cairn(...args);
    expect(stderr).toMatch(sentence);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
    expect(status).toBe(code);
    expect(json('vm', 'list')).toEqual([]); // nothing was made
  });

  test('a checkpoint file that is none', () => {
    const junk = join(home, 'junk.ckpt');
    writeFileSync(junk, 'this is no checkpoint'.repeat(100));
    const { status, stdout, stderr } = cairn('inspect', junk);
    expect({ status, stdout }).toEqual({ status: 4, stdout: '' });
    expect(stderr).toMatch(/^cairn: .*junk\.ckpt.*\n$/);
  });

  test('a second cairn run of a VM that runs', async () => {
    const vm = start('a');
    await vm.says('ready\n');
    const second = cairn('run', '--name', 'a', '--kernel', guest, '--memory', '16M');
    expect(second.status).toBe(3);
    expect(second.stderr).toMatch(/^cairn: a is (open in another Cairn|running).*\n$/);
    vm.type('+');
    await vm.says('ready\nA');
  });

  test('--json says it on stdout, for programs', () => {
    const { status, stdout } = cairn('vm', 'show', 'nobody', '--json');
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'NO_SUCH_VM' } });
  });

  test('help is for every verb and has examples', () => {
    for (const verb of [[], ['run'], ['checkpoint'], ['vm'], ['disk'], ['inspect'], ['serve']]) {
      const text = execFileSync(process.execPath, [command, ...verb, '--help'], { encoding: 'utf8' });
      expect(text).toMatch(/^\s+cairn \w+ .+$/m);
    }
  });
});
