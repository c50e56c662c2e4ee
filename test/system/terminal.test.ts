/** What lies behind the cairn command's stdin and stdout: readers that go away or do not read, full disks, terminals that are closed. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Checkpoint, Policy, VmSummary } from '#main/ipc/contract.ts';
import { echoGuest } from '../support/echo-guest.ts';

const command = fileURLToPath(new URL('../../scripts/cairn.mjs', import.meta.url));

let home: string;
const started: ChildProcess[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'terminal-'));
  writeFileSync(join(home, 'guest'), echoGuest());
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

const environment = () => ({ ...process.env, CAIRN_HOME: join(home, 'library'), CAIRN_LOCKS: join(home, 'locks') });
function json<T>(...args: string[]): T {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args, '--json'], { env: environment(), encoding: 'utf8' });
  if (status !== 0) throw new Error(`cairn ${args.join(' ')} ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** A pipe that is full, and has a reader that reads nothing. */
function fullPipe(): number {
  const path = join(home, 'pipe');
  spawnSync('mkfifo', [path]);
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  for (const size of [4096, 1])
    try {
      for (;;) writeSync(pipe, Buffer.alloc(size));
    } catch {
      // There is no room for more of this size.
    }
  return pipe;
}

/** What its stdout is: a disk without room, a pipe whose reader has gone, or one that is full already and whose reader reads nothing. */
function start(args: readonly string[], stdout: 'full' | 'gone' | 'unread') {
  const file = stdout === 'full' ? openSync('/dev/full', 'w') : stdout === 'unread' ? fullPipe() : undefined;
  const child = spawn(process.execPath, [command, ...args], { env: environment(), stdio: ['pipe', file ?? 'pipe', 'pipe'] });
  if (stdout === 'full') closeSync(file!);
  started.push(child);
  child.stdin!.on('error', () => {});
  if (stdout === 'gone') child.stdout!.destroy();
  let errors = '';
  child.stderr!.on('data', (bytes: Buffer) => (errors += bytes.toString()));
  const ended = new Promise<number | string>(resolve => child.on('exit', (code, signal) => resolve(code ?? signal ?? -1)));
  const said = async (pattern: RegExp) => {
    while (!pattern.test(errors) && child.exitCode === null) await new Promise(resolve => setTimeout(resolve, 10));
    expect(errors).toMatch(pattern);
  };
  return { child, ended, said, type: (text: string) => child.stdin!.write(text), errors: () => errors };
}
const runs = ['run', '--name', 'a', '--kernel', 'guest', '--memory', '16M'];
const run = (stdout: 'full' | 'gone' | 'unread', ...more: string[]) =>
  start([...runs.map(word => (word === 'guest' ? join(home, 'guest') : word)), ...more], stdout);

describe('a command that cannot say what it has to', () => {
  const verbs = (): string[][] => [
    ['--help'],
    ['--version'],
    ['vm', '--help'],
    ['vm', 'list'],
    ['vm', 'list', '--json'],
    ['vm', 'show', 'a'],
    ['checkpoint', 'take', 'a'],
    ['checkpoint', 'list', 'a'],
    ['checkpoint', 'list', 'a', '--json'],
    ['checkpoint', 'history', 'a'],
    ['policy', 'show', 'a'],
    ['check', 'a'],
    ['repair', 'a'],
    ['inspect', join(home, 'library', 'a.cairn', 'vm.json')],
    ['disk', 'info', join(home, 'disk.qcow2')],
    ['disk', 'check', join(home, 'disk.qcow2')],
    ['disk', 'convert', join(home, 'disk.qcow2'), join(home, 'copy.raw'), '--to', 'raw'],
  ];
  beforeEach(() => {
    mkdirSync(join(home, 'library'));
    const made = spawnSync(process.execPath, [command, 'run', '--name', 'a', '--kernel', join(home, 'guest'), '--memory', '16M'], {
      env: environment(),
      input: 'q',
    });
    if (made.status !== 0) throw new Error(`the VM was not made: ${made.stderr.toString()}`);
    json('disk', 'create', join(home, 'disk.qcow2'), '--size', '1M');
  });

  test('says that the disk is full, and ends with 74 though it has done what was asked for', async () => {
    for (const args of verbs()) {
      const verb = start(args, 'full');
      expect([args, await verb.ended, verb.errors()]).toEqual([
        args,
        74,
        'cairn: what was to be printed cannot be written: the disk is full. What was asked for is done.\n',
      ]);
    }
    expect(json<Checkpoint[]>('checkpoint', 'list', 'a')).toHaveLength(1);
    const refused = start(['vm', 'show', 'nobody'], 'full');
    expect(await refused.ended).toBe(2);
  });

  test('ends with 141 and no word when nobody reads', async () => {
    for (const args of verbs()) {
      const verb = start(args, 'gone');
      expect([args, await verb.ended, verb.errors()]).toEqual([args, 141, '']);
    }
    expect(json<Checkpoint[]>('checkpoint', 'list', 'a')).toHaveLength(1);
  });
});

test('cairn serve does not stay where its address could not be said', async () => {
  const served = start(['serve'], 'full');
  expect([await served.ended, served.errors()]).toEqual([74, 'cairn: what was to be printed cannot be written: the disk is full.\n']);
});

describe('cairn run', () => {
  test.each([
    ['full', 74, 'the disk is full'],
    ['gone', 141, 'nobody reads it any more'],
  ] as const)('goes on when stdout is %s, says so once, and does not end with 0', async (stdout, code, why) => {
    const vm = run(stdout);
    await vm.said(new RegExp(`^cairn: what a prints is lost from now on \\(standard output: ${why}\\); it runs on\\..*\\n`, 'm'));
    vm.type('x'.repeat(100_000));
    expect(json<VmSummary>('vm', 'show', 'a')).toMatchObject({ state: 'running' });
    vm.type('q');
    expect(await vm.ended).toBe(code);
    expect(vm.errors().match(/\n/g)).toHaveLength(1);
  });

  test('ends with the guest’s own code all the same', async () => {
    const vm = run('full', '--debug-exit');
    vm.type('d');
    expect(await vm.ended).toBe(7);
  });

  test('is ended by Ctrl-C when nobody reads', async () => {
    const vm = run('gone');
    await vm.said(/runs on/);
    vm.child.kill('SIGINT');
    expect(await vm.ended).toBe(141);
  });

  test('is ended by one SIGTERM while a reader that stands still holds its output', async () => {
    const vm = run('unread');
    while (json<VmSummary[]>('vm', 'list')[0]?.state !== 'running') await new Promise(resolve => setTimeout(resolve, 50));
    vm.child.kill('SIGTERM');
    expect(await vm.ended).toBe(0);
    expect(json<VmSummary[]>('vm', 'list')).toMatchObject([{ state: 'off' }]);
  });

  test('runs without stdin', async () => {
    const script = `"$0" "$1" run --name a --kernel "$2" --memory 16M --serial none <&- & pid=$!; echo $pid; wait $pid`;
    const child = spawn('bash', ['-c', script, process.execPath, command, join(home, 'guest')], { env: environment() });
    started.push(child);
    const pid = Number(await new Promise<Buffer>(resolve => child.stdout.once('data', resolve)));
    while (json<VmSummary[]>('vm', 'list')[0]?.state !== 'running') await new Promise(resolve => setTimeout(resolve, 50));
    process.kill(pid, 'SIGTERM');
    expect(await new Promise(resolve => child.on('exit', resolve))).toBe(0);
  });

  test('keeps a checkpoint, if the policy says so, when its terminal goes away', async () => {
    const vm = run('unread');
    while (json<VmSummary[]>('vm', 'list')[0]?.state !== 'running') await new Promise(resolve => setTimeout(resolve, 50));
    json<Policy>('policy', 'set', 'a', '--shutdown', 'on');
    vm.child.kill('SIGHUP');
    expect(await vm.ended).toBe(0);
    expect(json<Checkpoint[]>('checkpoint', 'list', 'a')).toMatchObject([{ trigger: 'shutdown', running: true }]);
  });
});
