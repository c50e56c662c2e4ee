/** The files of a virtual disk after every kind of work on them, as QEMU's own tools see them: structure, chain, and contents of every state. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { layersOf } from '#engine/disk/chain.ts';
import { DiskCollector } from '#engine/disk/graph/collector.ts';
import { attachDisk } from '#engine/disk/graph/create.ts';
import type { DiskMode, LayerId } from '#engine/disk/graph/descriptor.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { OpenLayers } from '#engine/disk/graph/open-layers.ts';
import { VirtualDiskFiles } from '#engine/disk/graph/virtual-disk-files.ts';
import { goBack } from '#test/support/disk-graph-model.ts';
import { apply, diskOperations, pattern } from '#test/support/disk-model.ts';
import { expectQemuCheck, qemuImg } from '#test/support/qemu-img.ts';
import { graphHost } from '#worker/node-graph-host.ts';

const SIZE = 1 << 20;
const CLUSTER = 65536;

let bundle: string;
beforeEach(() => {
  bundle = mkdtempSync(join(tmpdir(), 'cairn-graph-'));
});
afterEach(() => rmSync(bundle, { recursive: true }));

interface State {
  readonly layer: LayerId;
  readonly bytes: Uint8Array;
}

/** QEMU reads the state, through the chain that the files name, as the array says. */
function expectQemuReads(folder: DiskFolder, layer: LayerId | 'base', bytes: Uint8Array): void {
  const descriptor = folder.read();
  using layers = new OpenLayers(folder, () => descriptor);
  const { path, format } = layers.open(layer === 'base' ? 'base' : layers.place(layer));
  const should = join(bundle, 'should.raw');
  writeFileSync(should, bytes);
  qemuImg('compare', '-f', format, '-F', 'raw', path, should);
}

function expectQemuPleased(folder: DiskFolder, disk: VirtualDiskFiles, bytes: Uint8Array, states: readonly State[]): void {
  disk.flush();
  expectQemuReads(folder, disk.descriptor.top === 'base' ? 'base' : disk.descriptor.top, bytes);
  qemuImg('info', '--backing-chain', disk.top.path);
  for (const { layer, bytes: should } of states) expectQemuReads(folder, layer, should);
  for (const name of readdirSync(folder.folder).filter(name => name.endsWith('.qcow2'))) expectQemuCheck(join(folder.folder, name), 'some');
}

const act = fc.oneof(
  { weight: 4, arbitrary: diskOperations(SIZE, CLUSTER, 4).map(list => ({ kind: 'use' as const, list })) },
  { weight: 5, arbitrary: diskOperations(SIZE, CLUSTER, 2).map(pending => ({ kind: 'checkpoint' as const, pending })) },
  { weight: 3, arbitrary: fc.nat(20).map(at => ({ kind: 'eliminate' as const, at })) },
  { weight: 2, arbitrary: fc.nat(20).map(at => ({ kind: 'revert' as const, at })) },
  { weight: 1, arbitrary: fc.constantFrom<DiskMode>('chain', 'copy', 'full-copy').map(mode => ({ kind: 'mode' as const, mode })) },
);

test.each<[DiskMode, 'raw' | 'qcow2', boolean, depth?: number]>([
  ['chain', 'raw', false],
  ['chain', 'raw', false, 4],
  ['chain', 'qcow2', true],
  ['copy', 'raw', true],
  ['full-copy', 'qcow2', true],
])('%s on a %s base (written: %s, depth %s): QEMU agrees with every image of every step', (mode, format, writeBase, depth) => {
  let run = 0;
  fc.assert(
    fc.property(fc.array(act, { minLength: 5, maxLength: 8 }), actions => {
      const disks = join(bundle, String(run++));
      mkdirSync(disks);
      let bytes = pattern(SIZE, 7);
      const raw = join(disks, 'base.raw');
      writeFileSync(raw, bytes);
      const path = format === 'raw' ? raw : join(disks, 'base.img');
      if (format === 'qcow2') qemuImg('convert', '-f', 'raw', '-O', 'qcow2', raw, path);
      const folder = new DiskFolder(graphHost, disks, 'disk0');
      attachDisk(folder, { path, format, writeBase }, { mode, clusterBytes: CLUSTER });
      const disk = new VirtualDiskFiles(folder);
      const states: State[] = [];
      for (const action of actions) {
        const pick = 'at' in action && states.length > 0 ? action.at % states.length : undefined;
        if (action.kind === 'use') for (const operation of action.list) apply(operation, disk.top, bytes);
        else if (action.kind === 'mode') disk.change({ mode: action.mode });
        else if (action.kind === 'eliminate' && pick !== undefined) states.splice(pick, 1);
        else if (action.kind === 'revert' && pick !== undefined) {
          goBack(disk, states[pick]!.layer);
          bytes = states[pick]!.bytes.slice();
        } else if (action.kind === 'checkpoint') {
          disk.prepareCow();
          const old = disk.switchToCow();
          for (const operation of action.pending) apply(operation, old, bytes);
          const layer = disk.seal()!;
          states.push({ layer, bytes: bytes.slice() });
          disk.letGo(layer);
        }
        using collector = new DiskCollector(disk, {
          needs: () => ({
            pointed: new Set(states.map(({ layer }) => layer)),
            pinned: new Set(),
            ...(depth === undefined ? {} : { depth }),
          }),
          running: true,
          landing: { thresholdBytes: CLUSTER * 4 },
        });
        while (collector.step(1 << 20) === 'more') expectQemuPleased(folder, disk, bytes, states);
      }
      disk.close();
      for (const name of readdirSync(disks).filter(name => name.endsWith('.qcow2'))) expectQemuCheck(join(disks, name));
    }),
    { numRuns: Number(process.env['CAIRN_DISK_GRAPH_RUNS'] ?? 1) },
  );
  expect(run).toBeGreaterThan(0);
});

test('thirty checkpoints on chains of at most eight files: QEMU reads every state, after every step, through no more', () => {
  const bytes = pattern(SIZE, 7);
  const path = join(bundle, 'base.raw');
  writeFileSync(path, bytes);
  const disks = join(bundle, 'disks');
  mkdirSync(disks);
  const folder = new DiskFolder(graphHost, disks, 'disk0');
  attachDisk(folder, { path, format: 'raw' }, { clusterBytes: CLUSTER });
  const disk = new VirtualDiskFiles(folder);
  const states: State[] = [];
  let shortened = 0;
  for (let n = 0; n < 30; n++) {
    apply({ kind: 'write', at: (n * 70_001) % (SIZE - 9000), length: 9000, seed: n }, disk.top, bytes);
    disk.prepareCow();
    disk.switchToCow();
    const layer = disk.seal()!;
    states.push({ layer, bytes: bytes.slice() });
    disk.letGo(layer);
    const needs = { pointed: new Set(states.map(state => state.layer)), pinned: new Set<LayerId>(), depth: 8 };
    using collector = new DiskCollector(disk, { needs: () => needs, running: true });
    while (collector.step(1) === 'more') {
      if (collector.progress?.step.kind !== 'shorten' || shortened++ % 8 !== 0) continue;
      expectQemuPleased(folder, disk, bytes, states.slice(-3));
    }
  }
  expect(shortened).toBeGreaterThan(5);
  expectQemuPleased(folder, disk, bytes, states);
  using layers = new OpenLayers(folder, () => disk.descriptor);
  for (const { layer } of states) expect(layersOf(layers.open(layer)).length).toBeLessThanOrEqual(8);
  disk.close();
  for (const name of readdirSync(disks).filter(name => name.endsWith('.qcow2'))) expectQemuCheck(join(disks, name));
});
