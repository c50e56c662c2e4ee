/** Processes that have VMs open, and others that want something of them: real processes that are stopped, killed and sent away, in temporary folders of every kind. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Checkpoint, VmSummary } from '#main/ipc/contract.ts';
import { HostService } from '#main/host-service.ts';
import { ConsoleProcess } from '../support/console-process.ts';
import { echoGuest } from '../support/echo-guest.ts';

const command = fileURLToPath(new URL('../../scripts/cairn.mjs', import.meta.url));

let home: string;
let environment: NodeJS.ProcessEnv;
const started: ConsoleProcess[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'owners-'));
  writeFileSync(join(home, 'guest'), echoGuest());
  mkdirSync(join(home, 'tmp'));
  environment = { CAIRN_HOME: join(home, 'library'), CAIRN_LOCKS: join(home, 'locks'), TMPDIR: join(home, 'tmp'), XDG_RUNTIME_DIR: '' };
});
afterEach(async () => {
  for (const { child, ended } of started.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
  rmSync(home, { recursive: true, force: true });
});

function start(...args: string[]): ConsoleProcess {
  const child = new ConsoleProcess(process.execPath, [command, ...args], environment);
  started.push(child);
  return child;
}
async function run(name: string): Promise<ConsoleProcess> {
  const vm = start('run', '--name', name, '--kernel', join(home, 'guest'), '--memory', '16M');
  await vm.waitFor(/ready\n/);
  return vm;
}
const cairn = (...args: string[]) =>
  spawnSync(process.execPath, [command, ...args], { env: { ...process.env, ...environment }, encoding: 'utf8' });
function json<T>(...args: string[]): T {
  const { status, stdout, stderr } = cairn(...args, '--json');
  if (status !== 0) throw new Error(`cairn ${args.join(' ')} ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as T;
}
const bundle = (name: string) => join(home, 'library', `${name}.cairn`);
const ownerOf = (name: string) => JSON.parse(readFileSync(join(bundle(name), 'owner.json'), 'utf8')) as { pid: number; socket: string };
const sockets = (folder: string) => (existsSync(folder) ? readdirSync(folder).filter(name => /\.(sock|pulse)$/.test(name)) : []);

describe('an owner that is stopped', () => {
  test('holds nobody else up, and does not do later what was asked meanwhile', async () => {
    const stopped = await run('a');
    const other = await run('b');
    const { pid } = ownerOf('a');
    process.kill(pid, 'SIGSTOP');

    expect(json<VmSummary[]>('vm', 'list')).toMatchObject([
      { name: 'a', state: 'no-answer', reason: expect.stringContaining(`process ${pid}`) },
      { name: 'b', state: 'running' },
    ]);
    expect(cairn('vm', 'list').stdout).toMatch(/^a +does not answer/m);
    expect(json('vm', 'show', 'a')).toMatchObject({ state: 'no-answer', memoryMiB: 16 });
    const refused = cairn('checkpoint', 'take', 'a', '--title', 'refused');
    expect(refused.stderr).toMatch(new RegExp(`^cairn: process ${pid}, .* does not answer: it is stopped\\. .*kill -CONT ${pid}.*\\n$`));
    expect(refused.status).toBe(3);

    // Whose askers are gone while they wait in its queue of connections, by their own will or not
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const { socket } = ownerOf('a');
      const before = connections(socket);
      const asking = start('checkpoint', 'take', 'a', '--title', signal);
      while (connections(socket) === before) await new Promise(resolve => setTimeout(resolve, 5));
      asking.child.kill(signal);
      expect(['SIGINT', 'SIGKILL', 130]).toContain(await asking.ended);
    }

    process.kill(pid, 'SIGCONT');
    expect(json<VmSummary>('vm', 'show', 'a')).toMatchObject({ state: 'running' });
    expect(json('checkpoint', 'list', 'a')).toEqual([]);
    expect(json<Checkpoint>('checkpoint', 'take', 'a', '--title', 'wanted')).toMatchObject({ title: 'wanted' });
    for (const vm of [stopped, other]) {
      vm.type('q');
      expect(await vm.ended).toBe(0);
    }
  });

  test('is named with what to do, when it was only about to do one thing', async () => {
    const vm = await run('a');
    json('checkpoint', 'take', 'a');
    vm.type('q');
    await vm.ended;
    // What has a VM open without listening: a real owner of its catalogue.
    const holder = spawn(process.execPath, ['-e', HOLDER, join(bundle('a'), 'catalog.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise(resolve => holder.stdout.once('data', resolve));
    holder.kill('SIGSTOP');
    try {
      const refused = cairn('vm', 'delete', 'a');
      expect(refused.status).toBe(3);
      expect(json<VmSummary[]>('vm', 'list')).toMatchObject([{ name: 'a', state: 'off' }]);
    } finally {
      holder.kill('SIGKILL');
    }
  });
});

const HOLDER = `
  const Database = require('better-sqlite3');
  const db = new Database(process.argv[1]);
  db.pragma('locking_mode = EXCLUSIVE');
  db.exec('BEGIN EXCLUSIVE; COMMIT');
  console.log('held');
  process.stdin.resume();
`;

/** How many have connected to the socket, whether its process has looked at them or not (proc(5): /proc/net/unix). */
const connections = (path: string): number =>
  readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .filter(line => line.endsWith(` ${path}`)).length;

describe('a VM whose process was killed', () => {
  test('is crashed, not off, until it is started or goes back: which process, when, and what the last checkpoint is', async () => {
    const vm = await run('a');
    const { id } = json<Checkpoint>('checkpoint', 'take', 'a', '--title', 'good');
    const before = new Date().toISOString();
    const { pid } = ownerOf('a');
    vm.child.kill('SIGKILL');
    await vm.ended;
    const crashed = {
      state: 'crashed',
      current: id,
      ownedElsewhere: false,
      killed: { pid, since: expect.any(String), lastSeenAt: expect.any(String) },
      reason: expect.stringMatching(
        new RegExp(`process \\(${pid}\\) was killed.* memory is lost\\. The last checkpoint is “good” \\(${id}\\) of `),
      ),
    };
    for (const _ of ['seen once', 'seen again']) {
      expect(json<VmSummary[]>('vm', 'list')).toMatchObject([crashed]);
      expect(json<VmSummary>('vm', 'show', 'a')).toMatchObject(crashed);
      expect(json<Checkpoint[]>('checkpoint', 'list', 'a')).toHaveLength(1); // opens it
    }
    const { killed } = json<VmSummary>('vm', 'show', 'a');
    expect(killed!.since <= killed!.lastSeenAt && killed!.since < before).toBe(true);
    expect(cairn('vm', 'list').stdout).toMatch(/^a +crashed .*\n(.*\n)*a: its process/m);

    const again = await run('a');
    expect(again.errors).toMatch(/^cairn: a was not switched off the last time: its process/m);
    expect(json<VmSummary>('vm', 'show', 'a')).toMatchObject({ state: 'running' });
    again.child.kill('SIGKILL');
    await again.ended;
    json('checkpoint', 'revert', 'a', id);
    expect(json<VmSummary>('vm', 'show', 'a')).toMatchObject({ state: 'off' });
    expect(json<VmSummary>('vm', 'show', 'a').killed).toBeUndefined();
  });

  test('is seen at once by a Cairn that was looking', async () => {
    const vm = await run('a');
    const service = new HostService({ libraryPath: join(home, 'library'), version: '0' });
    const client = service.connect();
    const states: string[] = [];
    const seen = new Promise<void>(resolve =>
      client.on('vm.changed', ({ state, reason }) => {
        states.push(state);
        if (state === 'crashed' && reason !== undefined) resolve();
      }),
    );
    expect(await client.request('vm.list', {})).toMatchObject([{ name: 'a', state: 'running' }]);
    vm.child.kill('SIGKILL');
    await seen;
    expect(states).not.toContain('off');
    await service.close();
  });
});

describe('owner.json', () => {
  test('is believed only while the VM is open, and only of its own bundle', async () => {
    const vm = await run('a');
    const copy = bundle('copy');
    cpSync(bundle('a'), copy, { recursive: true });
    expect(json<VmSummary>('vm', 'show', 'copy')).toMatchObject({ ownedElsewhere: false });
    expect(cairn('vm', 'stop', 'copy').stderr).toMatch(/copy is not running/);
    expect(json<VmSummary>('vm', 'show', 'a')).toMatchObject({ state: 'running' }); // nobody has stopped it in the copy's place

    // The same name in another library, where somebody has the bundle open and listens nowhere: not the first one's VM is asked.
    const second = join(home, 'second');
    cpSync(bundle('a'), join(second, 'a.cairn'), { recursive: true });
    const holder = spawn(process.execPath, ['-e', HOLDER, join(second, 'a.cairn', 'catalog.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise(resolve => holder.stdout.once('data', resolve));
    const library = environment['CAIRN_HOME'];
    environment['CAIRN_HOME'] = second;
    expect(cairn('vm', 'stop', 'a')).toMatchObject({ status: 3, stderr: expect.stringContaining('a is open in another Cairn') });
    environment['CAIRN_HOME'] = library;
    holder.kill('SIGKILL');
    expect(json<VmSummary>('vm', 'show', 'a')).toMatchObject({ state: 'running' });
    vm.type('q');
    await vm.ended;
  });

  test.each([
    ['a pipe', (path: string) => spawnSync('mkfifo', [path])],
    ['a folder', (path: string) => mkdirSync(path)],
    ['endless', (path: string) => symlinkSync('/dev/zero', path)],
  ])('that is %s hinders nothing', async (_, make) => {
    const vm = await run('a');
    vm.type('q');
    await vm.ended;
    make(join(bundle('a'), 'owner.json'));
    expect(json<VmSummary[]>('vm', 'list')).toMatchObject([{ name: 'a', state: 'off' }]);
  });
});

describe('the socket of an owner', () => {
  const folderOfUser = () => join(home, 'tmp', `cairn-${process.getuid!()}`);

  test.each([
    ['a folder of somebody else', () => [mkdirSync(folderOfUser()), chownSync(folderOfUser(), 4711, 4711)]],
    ['a folder that others may enter', () => [mkdirSync(folderOfUser()), chmodSync(folderOfUser(), 0o777)]],
    ['a file', () => writeFileSync(folderOfUser(), '')],
    ['a link into nothing', () => symlinkSync('/no/such/folder', folderOfUser())],
    ['a link to a folder', () => [mkdirSync(join(home, 'trap')), symlinkSync(join(home, 'trap'), folderOfUser())]],
  ])('lies elsewhere when its place is %s', async (_, squat) => {
    squat();
    const vm = await run('a');
    expect(json<VmSummary>('vm', 'show', 'a')).toMatchObject({ state: 'running', ownedElsewhere: true });
    const { socket } = ownerOf('a');
    expect(socket.startsWith(folderOfUser())).toBe(false);
    expect(existsSync(join(home, 'trap')) && readdirSync(join(home, 'trap')).length > 0).toBe(false);
    vm.type('q');
    expect(await vm.ended).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  test.each(['TMPDIR', 'XDG_RUNTIME_DIR'])('lies elsewhere when the name in %s is too long for one', async variable => {
    const long = join(home, 'tmp', 'x'.repeat(120));
    mkdirSync(long, { mode: 0o700 });
    environment[variable] = long;
    const vm = await run('a');
    expect(json<VmSummary>('vm', 'show', 'a')).toMatchObject({ state: 'running', ownedElsewhere: true });
    vm.type('q');
    expect(await vm.ended).toBe(0);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('goes with a process that %s ends', async signal => {
    const vm = await run('a');
    expect(sockets(folderOfUser())).toHaveLength(2);
    vm.child.kill(signal);
    expect(await vm.ended).toBe(0);
    expect(sockets(folderOfUser())).toEqual([]);
    expect(existsSync(join(bundle('a'), 'owner.json'))).toBe(false);
  });

  test('that a killed process has left goes with the next start', async () => {
    const killed = await run('a');
    killed.child.kill('SIGKILL');
    await killed.ended;
    const left = sockets(folderOfUser());
    expect(left).toHaveLength(2);
    writeFileSync(join(folderOfUser(), 'mine'), 'not a socket');
    const vm = await run('b');
    const socket = ownerOf('b').socket;
    for (const name of left) while (existsSync(join(folderOfUser(), name))) await new Promise(resolve => setTimeout(resolve, 10));
    expect(existsSync(socket)).toBe(true);
    expect(existsSync(join(folderOfUser(), 'mine'))).toBe(true);
    vm.type('q');
    await vm.ended;
  });
});
