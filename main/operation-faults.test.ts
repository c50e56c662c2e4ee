/**
 * Every operation of the library with every change of a file failing, once or from then on, with every errno that users meet. Afterwards what was told, what the process lists, what another one
 * lists, and what the files hold agree; nothing that was told as kept is lost. CAIRN_OPERATION_FAULTS=all tries them all; else a sample that is another one for each operation.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FailingFs, type Errno } from '#test/support/failing-fs.ts';
import { checkBundle } from './check.ts';
import { HostService } from './host-service.ts';
import { vmConfig, type Checkpoint, type HostClient, type VmConfig } from './ipc/contract.ts';

const ERRNOS: readonly Errno[] = ['ENOSPC', 'EIO', 'EROFS', 'EDQUOT', 'EMFILE'];
const isWhole = process.env['CAIRN_OPERATION_FAULTS'] === 'all';
/** Places in an operation that fail in a sample. */
const SAMPLE = 4;

let home: string;
let config: VmConfig;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-faults-'));
  vi.stubEnv('CAIRN_LOCKS', join(home, 'locks'));
  writeFileSync(join(home, 'base.img'), new Uint8Array(1 << 16).fill(7));
  const header = new Uint8Array(0x210);
  header.set(new TextEncoder().encode('HdrS'), 0x202);
  writeFileSync(join(home, 'kernel'), header);
  const disk = { path: join(home, 'base.img'), format: 'raw', interface: 'virtio', media: 'disk', readonly: false, cache: 'writeback' };
  config = vmConfig.parse({
    ...{ memoryMiB: 4, kernel: join(home, 'kernel'), append: '', debugExit: false, noReboot: false },
    disks: [disk],
  });
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

interface Seen {
  readonly vms: readonly string[];
  /** Of the VM `a`, id to title. */
  readonly checkpoints: Readonly<Record<string, string>>;
  readonly current: string | undefined;
  readonly memoryMiB: number;
}

async function look(client: HostClient): Promise<Seen> {
  const vms = (await client.request('vm.list', {})).map(({ name }) => name);
  if (!vms.includes('a')) return { vms, checkpoints: {}, current: undefined, memoryMiB: 0 };
  const checkpoints: readonly Checkpoint[] = await client.request('checkpoint.list', { name: 'a' });
  const { current, memoryMiB } = await client.request('vm.show', { name: 'a' });
  return { vms, checkpoints: Object.fromEntries(checkpoints.map(({ id, title }) => [id, title])), current, memoryMiB };
}

async function withService<T>(library: string, work: (client: HostClient, notices: string[]) => Promise<T>): Promise<T> {
  const service = new HostService({ libraryPath: library, version: '0' });
  try {
    const client = service.connect();
    const notices: string[] = [];
    client.on('notice', ({ text }) => notices.push(text));
    return await work(client, notices);
  } finally {
    await service.close();
  }
}

/** Three checkpoints in a row, of which the second is where the VM stands; the third has a sister. */
async function makeLibrary(library: string): Promise<string[]> {
  return withService(library, async client => {
    await client.request('vm.create', { name: 'a', config });
    const take = async (title: string) => (await client.request('checkpoint.take', { name: 'a', title })).id;
    const ids = [await take('one'), await take('two'), await take('three')];
    await client.request('checkpoint.revert', { name: 'a', id: ids[1]! });
    return ids;
  });
}

const filesOf = (library: string) => {
  const folder = join(library, 'a.cairn', 'checkpoints');
  return existsSync(folder)
    ? readdirSync(folder)
        .filter(name => name.endsWith('.ckpt'))
        .map(name => name.slice(0, -5))
        .toSorted()
    : [];
};

const has = (seen: Seen, id: string) => Object.hasOwn(seen.checkpoints, id);

type Act = (client: HostClient, ids: readonly string[]) => Promise<unknown>;

const OPERATIONS: readonly (readonly [name: string, act: Act, happened: (seen: Seen, ids: readonly string[]) => boolean])[] = [
  [
    'take',
    client => client.request('checkpoint.take', { name: 'a', title: 'new' }),
    seen => Object.values(seen.checkpoints).includes('new'),
  ],
  ['take that overwrites', takeOver, seen => Object.values(seen.checkpoints).includes('over')],
  [
    'delete the first',
    (client, ids) => client.request('checkpoint.delete', { name: 'a', ids: [ids[0]!], children: false, force: true }),
    (seen, ids) => !has(seen, ids[0]!),
  ],
  [
    'delete where it stands, and what descends from it',
    (client, ids) => client.request('checkpoint.delete', { name: 'a', ids: [ids[1]!], children: true, force: true }),
    (seen, ids) => !has(seen, ids[1]!) && !has(seen, ids[2]!),
  ],
  ['revert', (client, ids) => client.request('checkpoint.revert', { name: 'a', id: ids[0]! }), (seen, ids) => seen.current === ids[0]],
  [
    'rename',
    (client, ids) => client.request('checkpoint.rename', { name: 'a', id: ids[0]!, title: 'other' }),
    (seen, ids) => seen.checkpoints[ids[0]!] === 'other',
  ],
  [
    'linked clone',
    (client, ids) => client.request('vm.clone', { name: 'a', checkpoint: ids[0]!, as: 'b', full: false }),
    seen => seen.vms.includes('b'),
  ],
  [
    'full clone',
    (client, ids) => client.request('vm.clone', { name: 'a', checkpoint: ids[0]!, as: 'b', full: true }),
    seen => seen.vms.includes('b'),
  ],
  ['create', client => client.request('vm.create', { name: 'b', config }), seen => seen.vms.includes('b')],
  ['delete the VM', client => client.request('vm.delete', { name: 'a' }), seen => !seen.vms.includes('a')],
  ['repair', client => client.request('vm.repair', { name: 'a' }), () => true],
  ['configure', client => client.request('vm.configure', { name: 'a', config: { ...config, memoryMiB: 8 } }), seen => seen.memoryMiB === 8],
];

async function takeOver(client: HostClient): Promise<unknown> {
  await client.request('vm.configure', { name: 'a', config: { ...config, overwrite: true } });
  return client.request('checkpoint.take', { name: 'a', title: 'over' });
}

/** Says of a failure that it is not one of what was asked: the rest, or only part of it, did not work. */
const SAYS_DONE = /\b(is|are) deleted\b/;

test.each(OPERATIONS)(
  '%s',
  async (name, act, happened) => {
    const whole = join(home, 'whole');
    mkdirSync(whole);
    const ids = await makeLibrary(whole);
    const library = join(home, 'library');
    /** The operation in a fresh copy, with what fails. */
    async function attempt(errno: Errno, fails: (change: number) => boolean): Promise<number> {
      rmSync(library, { recursive: true, force: true });
      cpSync(whole, library, { recursive: true });
      let told = 'done';
      let failed: readonly string[] = [];
      let changes = 0;
      const here = await withService(library, async (client, notices) => {
        {
          using failing = new FailingFs(library, errno, fails);
          await act(client, ids).catch((error: unknown) => (told = (error as Error).message));
          ({ failed, changes } = failing);
        }
        expect(told, `${name}: ${failed.join(', ')}`).not.toMatch(/E[A-Z]{3,}:|SQLITE|something went wrong/);
        return { seen: await look(client), notices };
      });
      const next = await withService(library, look);
      const how = `${name}, ${errno} at ${failed.slice(0, 3).join(', ') || 'nothing'}; told: ${told}; notices: ${here.notices.join(' | ')}`;
      expect(next, how).toEqual(here.seen);
      expect(Object.keys(next.checkpoints).toSorted(), how).toEqual(filesOf(library));
      if (told === 'done') expect(happened(next, ids), how).toBe(true);
      else if (!SAYS_DONE.test(told) && name !== 'repair') expect(happened(next, ids), how).toBe(false);
      for (const vm of next.vms) {
        const { problems } = await checkBundle(join(library, `${vm}.cairn`), () => {});
        expect(
          problems.filter(({ kind }) => kind !== 'leftover'),
          how,
        ).toEqual([]);
      }
      return changes;
    }
    const total = await attempt('EIO', () => false);
    expect(total).toBeGreaterThan(0);
    const places = Array.from({ length: total }, (_, index) => index + 1);
    const chosen = isWhole ? places : places.filter((_, index) => index % Math.ceil(total / SAMPLE) === total % Math.ceil(total / SAMPLE));
    for (const at of chosen)
      for (const [index, errno] of ERRNOS.entries()) {
        if (!isWhole && index % 2 !== at % 2) continue;
        await attempt(errno, change => change === at);
        await attempt(errno, change => change >= at);
      }
  },
  isWhole ? 3_600_000 : 240_000,
);
