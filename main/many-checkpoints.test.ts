/** A VM with more checkpoints than it may once have had, off: every verb works, and its chain is kept as short as the user wants. The real disk worker does it. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { VirtualDiskFiles } from '#engine/disk/graph/virtual-disk-files.ts';
import { graphHost } from '#worker/node-graph-host.ts';
import { Bundle } from './bundle.ts';
import { readCheckpointInfo, takeWhenOff } from './checkpoint-files.ts';
import { checkBundle } from './check.ts';
import { HostService } from './host-service.ts';
import { vmConfig, type HostClient, type VmConfig } from './ipc/contract.ts';
import { newCheckpointId } from './vm.ts';
import { VmDisks } from './vm-disks.ts';
import { sourceFiles } from './world-manager.ts';

/** More than chains could have. */
const COUNT = 260;
const SIZE = 1 << 20;

let home: string;
let config: VmConfig;
let service: HostService;
let client: HostClient;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-many-'));
  vi.stubEnv('CAIRN_LOCKS', join(home, 'locks'));
  writeFileSync(join(home, 'base.img'), new Uint8Array(SIZE).fill(7));
  const header = new Uint8Array(0x210);
  header.set(new TextEncoder().encode('HdrS'), 0x202);
  writeFileSync(join(home, 'kernel'), header);
  const disk = { path: join(home, 'base.img'), format: 'raw', interface: 'virtio', media: 'disk', readonly: false, cache: 'writeback' };
  config = vmConfig.parse({
    ...{ memoryMiB: 4, kernel: join(home, 'kernel'), append: '', debugExit: false, noReboot: false },
    disks: [disk],
  });
});
afterEach(async () => {
  await service?.close();
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

const bundlePath = () => join(home, 'library', 'a.cairn');

/** As the VM's takes leave it, but that the guest's writes are made here, and nothing is tidied up in between: checkpoint n has n + 1 in the byte n of the disk. */
async function fill(count: number): Promise<string[]> {
  Bundle.create(bundlePath(), config);
  const bundle = (await Bundle.open(bundlePath(), readCheckpointInfo))!;
  const disks = new VmDisks(bundle, sourceFiles.diskEntry, () => {});
  mkdirSync(disks.folder, { recursive: true });
  const held = disks.open();
  const files = new VirtualDiskFiles(new DiskFolder(graphHost, disks.folder, 'disk0'));
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    files.top.write(n, Uint8Array.of((n % 255) + 1));
    const { frozen } = files.prepareCow();
    files.switchToCow();
    files.seal();
    files.letGo(frozen);
    const order = {
      id: newCheckpointId(),
      parent: ids.at(-1) ?? null,
      vmName: 'a',
      title: `number ${n}`,
      takenAt: new Date(n).toISOString(),
    };
    const pointer = { disk: 'disk0', layer: frozen, sizeBytes: SIZE };
    ids.push(bundle.add(await takeWhenOff({ ...order, folder: join(bundlePath(), 'checkpoints') }, 4, [pointer])).id);
  }
  files.close();
  held.dispose();
  bundle.close();
  return ids;
}

/** The first bytes that the guest of a VM would read. */
function guestReads(name: string, count: number): number[] {
  using files = new VirtualDiskFiles(new DiskFolder(graphHost, join(home, 'library', `${name}.cairn`, 'disks'), 'disk0'));
  const bytes = new Uint8Array(count);
  files.top.read(0, bytes);
  return [...bytes];
}
const written = (upTo: number, count: number) => Array.from({ length: count }, (_, n) => (n <= upTo ? (n % 255) + 1 : 7));

async function problems(): Promise<unknown> {
  const found: unknown[] = [];
  const report = await checkBundle(bundlePath(), () => {});
  found.push(...report.problems);
  return found;
}

test('more than 256 checkpoints: every verb works on the first, the last and those in between', async () => {
  const ids = await fill(COUNT);
  service = new HostService({ libraryPath: join(home, 'library'), version: '0' });
  client = service.connect();
  expect((await client.request('vm.show', { name: 'a' })).chains).toEqual([{ disk: 'disk0', files: COUNT + 2, wanted: 64 }]);
  expect(await problems()).toEqual([]);
  const show = await client.request('checkpoint.show', { name: 'a', id: ids[200]! });
  expect(show.disks[0]!.layers).toHaveLength(202);
  for (const at of [0, 150, COUNT - 1]) {
    await client.request('checkpoint.revert', { name: 'a', id: ids[at]! });
    expect(guestReads('a', COUNT)).toEqual(written(at, COUNT));
  }
  await client.request('vm.clone', { name: 'a', checkpoint: ids[230]!, as: 'linked', full: false });
  await client.request('vm.clone', { name: 'a', checkpoint: ids[240]!, as: 'full', full: true });
  expect([guestReads('linked', COUNT), guestReads('full', COUNT)]).toEqual([written(230, COUNT), written(240, COUNT)]);
  expect(await client.request('vm.repair', { name: 'a' })).toMatchObject({ checkpoints: COUNT });
  await client.request('checkpoint.delete', { name: 'a', ids: [ids[10]!], children: false, force: false });
  const kept = new DiskFolder(graphHost, join(bundlePath(), 'disks'), 'disk0');
  for (const at of [0, 9, 11, 230, COUNT - 1]) {
    await client.request('checkpoint.revert', { name: 'a', id: ids[at]! });
    expect(guestReads('a', COUNT)).toEqual(written(at, COUNT));
  }
  expect(kept.layerIds().length).toBeGreaterThan(COUNT - 2);
  expect(await problems()).toEqual([]);
  await client.request('checkpoint.take', { name: 'a', title: 'one more' });
  await client.request('checkpoint.delete', { name: 'a', ids: ids.slice(20, 60), children: false, force: false });
  expect(await client.request('checkpoint.list', { name: 'a' })).toHaveLength(COUNT - 1 - 40 + 1);
  expect(await problems()).toEqual([]);
}, 120_000);

test('a chain gets as short as the user wants it when its files are worked on, and every state stays what it was', async () => {
  config = { ...config, chainDepth: 8 };
  const ids = await fill(60);
  service = new HostService({ libraryPath: join(home, 'library'), version: '0' });
  client = service.connect();
  await client.request('checkpoint.delete', { name: 'a', ids: [ids[59]!], children: false, force: false });
  const { chains } = await client.request('vm.show', { name: 'a' });
  expect(chains).toEqual([{ disk: 'disk0', files: expect.any(Number) as number, wanted: 8 }]);
  expect(chains![0]!.files).toBeLessThanOrEqual(8);
  for (const at of [0, 7, 31, 58]) {
    const { disks } = await client.request('checkpoint.show', { name: 'a', id: ids[at]! });
    expect(disks[0]!.layers.length).toBeLessThanOrEqual(8);
    await client.request('checkpoint.revert', { name: 'a', id: ids[at]! });
    expect(guestReads('a', 60)).toEqual(written(at, 60));
  }
  expect(readdirSync(join(bundlePath(), 'disks')).filter(name => name.endsWith('.qcow2')).length).toBeGreaterThan(58);
  expect(await problems()).toEqual([]);
});
