import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StorageError } from '#engine/errors/errors.ts';
import { NAMESPACE } from './life-sign.ts';
import { Thread } from './thread.ts';
import { NodeVolumeUses } from './volume-uses.ts';

const VOLUME = '00112233445566778899aabbccddeeff';
const USE = { kind: 'read', file: 'a.checkpoints/one.ckpt', extents: [{ at: 0, unit: 7, count: 3 }] } as const;

let folder: string;
let locks: string;
let uses: NodeVolumeUses;
let before: string | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-uses-'));
  locks = join(folder, 'locks');
  uses = new NodeVolumeUses(locks);
  before = process.env['CAIRN_LOCKS'];
  process.env['CAIRN_LOCKS'] = locks; // what the threads of this process are watched for
});
afterEach(() => {
  if (before === undefined) delete process.env['CAIRN_LOCKS'];
  else process.env['CAIRN_LOCKS'] = before;
  rmSync(folder, { recursive: true });
});

/** Files in the folder of locks, but for signs of life. */
const left = () => readdirSync(locks).filter(name => !name.startsWith('life-'));

const here = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);

/** A program that has `uses`. */
function program(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    `import { readFileSync, writeFileSync } from 'node:fs';
     import { NodeVolumeUses } from ${here('volume-uses.ts')};
     const uses = new NodeVolumeUses(${JSON.stringify(locks)});
     ${text}`,
  );
  return path;
}

/** Counts in a file, one at a time if the others do so; says when two were in at once. */
const COUNTS = (file: string, times: string) => `
  const file = ${JSON.stringify(file)};
  for (let i = 0; i < ${times}; i++)
    uses.exclusively('${VOLUME}', () => {
      const [count, inside] = readFileSync(file, 'utf8').split(' ');
      if (inside !== 'nobody' && Number(inside) !== 0) { try { process.kill(Number(inside), 0); console.log('two at once'); } catch {} }
      writeFileSync(file, count + ' ' + process.pid);
      for (let spin = 0; spin < 2e4; spin++);
      if (readFileSync(file, 'utf8') !== count + ' ' + process.pid) console.log('two at once');
      writeFileSync(file, Number(count) + 1 + ' nobody');
    });`;

test('one at a time, over several processes, of which some are killed in the middle', async () => {
  const file = join(folder, 'count');
  writeFileSync(file, '0 nobody');
  const patient = program('patient.mjs', COUNTS(file, '500'));
  const doomed = program('doomed.mjs', COUNTS(file, 'Infinity'));
  let output = '';
  const start = (path: string) => {
    const child = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    return child;
  };
  const patients = [start(patient), start(patient)].map(child => once(child, 'close'));
  const running = new Set(patients);
  for (const ended of patients) void ended.then(() => running.delete(ended));
  let killed = 0;
  while (running.size > 0) {
    const child = start(doomed);
    const counted = readFileSync(file, 'utf8');
    while (running.size > 0 && readFileSync(file, 'utf8') === counted) await new Promise(resolve => setTimeout(resolve, 3));
    child.kill('SIGKILL');
    await once(child, 'close');
    killed++;
  }
  expect((await Promise.all(patients)).map(([code]) => code)).toEqual([0, 0]);
  expect(output).toBe('');
  expect(killed).toBeGreaterThan(5);
  expect(uses.exclusively(VOLUME, () => 'free')).toBe('free');
  expect(Number(readFileSync(file, 'utf8').split(' ')[0])).toBeGreaterThanOrEqual(1000);
  expect([uses.held(VOLUME), left()]).toEqual([[], []]);
});

test('a lock that was left is removed by one only, and not when it is another one’s by then', async () => {
  const use = uses.hold(VOLUME, USE);
  const { boot, namespace } = JSON.parse(readFileSync(join(locks, left()[0]!), 'utf8')) as { boot: string; namespace: number };
  use[Symbol.dispose]();
  const lock = join(locks, `volume-${VOLUME}.lock`);
  const owner = (pid: number, token: string) => JSON.stringify({ namespace, pid, thread: 0, boot, born: '', token });
  const gone = spawn(process.execPath, ['-e', '']);
  await once(gone, 'close');
  writeFileSync(lock, owner(gone.pid!, 'left'));
  writeFileSync(`${lock}.left.dead`, owner(process.pid, 'other')); // somebody else is about to remove it
  const child = spawn(process.execPath, [
    program('waits.mjs', `console.log('asks'); uses.exclusively('${VOLUME}', () => console.log('in'));`),
  ]);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child.stdout, 'data');
  const aWhile = () => new Promise(resolve => setTimeout(resolve, 200)); // longer only lets more go wrong
  await aWhile();
  expect([output, readFileSync(lock, 'utf8')]).toEqual(['asks\n', owner(gone.pid!, 'left')]);
  writeFileSync(lock, owner(process.pid, 'new')); // removed, and taken by the next
  rmSync(`${lock}.left.dead`);
  await aWhile();
  expect([output, readFileSync(lock, 'utf8')]).toEqual(['asks\n', owner(process.pid, 'new')]);
  rmSync(lock);
  await once(child, 'close');
  expect(output).toBe('asks\nin\n');
});

test('what is held is seen by all until it is let go, and not when its process has died', async () => {
  const use = uses.hold(VOLUME, USE);
  expect(new NodeVolumeUses(locks).held(VOLUME)).toEqual([USE]);
  expect(uses.held('another')).toEqual([]);
  use[Symbol.dispose]();
  expect(uses.held(VOLUME)).toEqual([]);
  const child = spawn(process.execPath, [
    program('holds.mjs', `uses.hold('${VOLUME}', ${JSON.stringify(USE)}); console.log('held'); setInterval(() => {}, 1000);`),
  ]);
  await once(child.stdout, 'data');
  expect(uses.holders(VOLUME)).toEqual([{ pid: child.pid, use: USE }]);
  writeFileSync(join(locks, `volume-${VOLUME}.${NAMESPACE}-${child.pid}-0-99.use`), '{"pid":'); // half written
  expect(uses.held(VOLUME)).toEqual([USE]);
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(uses.held(VOLUME)).toEqual([]);
  expect(left()).toEqual([]);
});

/** What `unshare` needs is not let to everybody. */
const CONTAINER = ['--pid', '--fork', '--kill-child', '--mount-proc'];
const hasContainers = spawnSync('unshare', [...CONTAINER, 'true']).status === 0;
test.runIf(hasContainers)(
  'what another container’s process holds is seen and kept until that has died, and its change is waited for',
  async () => {
    const file = join(folder, 'count');
    const inside = program(
      'inside.mjs',
      `uses.hold('${VOLUME}', ${JSON.stringify(USE)});
     uses.exclusively('${VOLUME}', () => {
       console.log('in');
       for (const end = Date.now() + 300; Date.now() < end;);
       writeFileSync(${JSON.stringify(file)}, 'done');
     });
     console.log('out');
     setInterval(() => {}, 1000);`,
    );
    const child = spawn('unshare', [...CONTAINER, process.execPath, inside]);
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await once(child.stdout, 'data');
    expect(uses.exclusively(VOLUME, () => readFileSync(file, 'utf8'))).toBe('done');
    expect([uses.held(VOLUME), output]).toEqual([[USE], '']);
    writeFileSync(join(locks, `volume-${VOLUME}.1-${process.pid}-0-99.use`), '{"pid":'); // another one's, half written
    expect([uses.held(VOLUME), left()]).toEqual([[USE], expect.objectContaining({ length: 2 })]);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect([uses.held(VOLUME), left()]).toEqual([[], [`volume-${VOLUME}.1-${process.pid}-0-99.use`]]);
  },
);

test('what another container’s process without a sign of life left is kept for as long as the computer runs', () => {
  uses.hold(VOLUME, USE);
  const [file] = left();
  const said = JSON.parse(readFileSync(join(locks, file!), 'utf8')) as object;
  writeFileSync(join(locks, file!), JSON.stringify({ ...said, namespace: 1, pid: 0x7fffffff, life: undefined }));
  expect(uses.held(VOLUME)).toEqual([USE]);
  writeFileSync(join(locks, file!), JSON.stringify({ ...said, boot: 'before', namespace: 1, pid: 0x7fffffff, life: undefined }));
  expect([uses.held(VOLUME), left()]).toEqual([[], []]);
});

test('a thread that ends in the middle of a change leaves neither its lock nor what it held', async () => {
  const entry = program(
    'thread.mjs',
    `import { parentPort } from 'node:worker_threads';
     import { startData } from ${here('thread.ts')};
     startData();
     uses.hold('${VOLUME}', ${JSON.stringify(USE)});
     uses.exclusively('${VOLUME}', () => {
       parentPort.postMessage('in');
       for (;;);
     });`,
  );
  const thread = new Thread(pathToFileURL(entry), 'test');
  const entered = once(thread.worker, 'message');
  thread.begin({});
  await entered;
  expect([uses.held(VOLUME), left().includes(`volume-${VOLUME}.lock`)]).toEqual([[USE], true]);
  await thread.worker.terminate();
  expect(uses.exclusively(VOLUME, () => uses.held(VOLUME))).toEqual([]);
  expect(left()).toEqual([]);
});

test('what a process left of which another has the number now counts for nothing', () => {
  uses.hold(VOLUME, USE);
  const [file] = left();
  const said = JSON.parse(readFileSync(join(locks, file!), 'utf8')) as object;
  const another = JSON.stringify({ ...said, born: '1', life: undefined }); // this process's number, before there was this process
  writeFileSync(join(locks, file!), another);
  expect([uses.held(VOLUME), left()]).toEqual([[], []]);
  writeFileSync(join(locks, `volume-${VOLUME}.lock`), another);
  expect(uses.exclusively(VOLUME, () => 'free')).toBe('free');
  expect(left()).toEqual([]);
});

test('what a thread left that has ended goes, though nothing can be written', () => {
  const lock = join(locks, `volume-${VOLUME}.lock`);
  uses.exclusively(VOLUME, () => writeFileSync(join(locks, 'kept'), readFileSync(lock)));
  const said = JSON.parse(readFileSync(join(locks, 'kept'), 'utf8')) as object;
  rmSync(join(locks, 'kept'));
  writeFileSync(lock, JSON.stringify({ ...said, thread: 99, token: 'x'.repeat(250) })); // no file can have a name with that
  uses.forgetThread(99);
  expect(left()).toEqual([]);
});

test('letting go hurts nobody where nothing can be removed; a change that cannot be ended says so', () => {
  const use = uses.hold(VOLUME, USE);
  const [name] = left();
  const stick = (path: string) => {
    rmSync(path);
    mkdirSync(path); // which no file is removed as
  };
  stick(join(locks, name!));
  use[Symbol.dispose]();
  expect(() => uses.exclusively(VOLUME, () => stick(join(locks, `volume-${VOLUME}.lock`)))).toThrow(StorageError);
});

/** Only root can be another user. */
test.runIf(process.getuid?.() === 0)(
  'a user whom the computer does not know is told where to say it, and loses no process when a thread ends',
  async () => {
    const text = `
    const { NodeVolumeUses } = await import(${here('volume-uses.ts')});
    process.setuid(54321);
    new NodeVolumeUses().forgetThread(1);
    try { new NodeVolumeUses().exclusively('${VOLUME}', () => {}); } catch (error) { console.log(error.code, error.message); }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', text], { env: {} });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect([code, output]).toEqual([0, expect.stringMatching(/^LOCKS .*Set CAIRN_LOCKS to a folder that you may write/)]);
  },
);
