/** The folder of a VM's disks with a damaged descriptor, checksum or record of a revert: it is checked, repaired, gone back in, written and collected. */
import { crc32 } from 'node:zlib';
import { completeAdoption, isAdoptionPending } from '#engine/disk/graph/adoption.ts';
import { DiskCollector } from '#engine/disk/graph/collector.ts';
import { DiskFolder, type GraphHost } from '#engine/disk/graph/disk-folder.ts';
import { rebuildDescriptor } from '#engine/disk/graph/rebuild.ts';
import type { Needs } from '#engine/disk/graph/scan.ts';
import { verifyDisk } from '#engine/disk/graph/verify.ts';
import { VirtualDiskFiles } from '#engine/disk/graph/virtual-disk-files.ts';
import type { DiskMode } from '#engine/disk/graph/descriptor.ts';
import { CairnError } from '#engine/errors/errors.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { GraphModel, type Kind } from '../support/disk-graph-model.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { mutateJson } from './mutate-json.ts';
import type { Random } from './random.ts';
import { BoundBroken, WatchedFiles } from './watched-files.ts';

const BOUNDS = { operations: 200_000, readBytes: 256 << 20, oneReadBytes: 32 << 20, fileBytes: 16 << 20 };
const FOLDER = '/vm/disks';
/** Steps of a collector: a small disk is done long before. */
const MOST_STEPS = 2000;

export interface FolderSeed {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly needs: Needs;
}

/** Disks at rest with three checkpoints, in each mode, and a decided revert. */
export function makeFolderSeeds(): FolderSeed[] {
  const seed = (kind: Kind, mode: DiskMode): FolderSeed => {
    const model = new GraphModel(new MemoryFiles(), kind, mode);
    for (const at of [0, 9000, 20_000]) {
      model.use([{ kind: 'write', at, length: 5000, seed: at & 0xff }]);
      model.checkpoint();
    }
    model.collectAll();
    model.stopCollecting();
    model.disk.close();
    const files = new Map(model.files.paths().map(path => [path, model.files.get(path)]));
    const record = { version: 1, tops: { disk0: model.folder.read().top } };
    files.set(`${FOLDER}/revert.json`, new TextEncoder().encode(JSON.stringify(record)));
    return { files, needs: model.needs };
  };
  return [seed('blank', 'chain'), seed('raw', 'copy'), seed('qcow2, written', 'chain')];
}

export function fuzzDiskFolder(seeds: readonly FolderSeed[], random: Random): boolean {
  const { files: good, needs } = random.pick(seeds);
  const files = new WatchedFiles('', BOUNDS);
  const texts = [...good.keys()].filter(path => /\.(json|sum)$/.test(path));
  const damaged = random.oneIn(3) ? random.pick(texts) : `${FOLDER}/disk0.json`;
  for (const [path, bytes] of good) {
    if (path.endsWith('revert.json') && path !== damaged && !random.oneIn(4)) continue;
    files.put(path, path === damaged ? mutateJson(new TextDecoder().decode(bytes), random) : bytes.slice());
  }
  let ids = 0xabc000;
  const host: GraphHost = {
    ...{ files, codec: nodeDecompressor, checksum: (bytes: Uint8Array) => crc32(bytes) },
    newLayerId: () => (ids++).toString(16).padStart(32, '0'),
  };
  const well = use(host, needs, random);
  if (files.open !== 0) throw new BoundBroken(`${files.open} files were left open`);
  return well;
}

function use(host: GraphHost, needs: Needs, random: Random): boolean {
  let well = true;
  const attempt = (action: () => void) => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof CairnError) || error.code === 'INVARIANT') throw error;
      well = false;
    }
  };
  const folder = new DiskFolder(host, FOLDER, 'disk0');
  const check = () => {
    for (const _ of verifyDisk(folder, needs)) void _;
  };
  attempt(() => void isAdoptionPending(host, FOLDER));
  attempt(check);
  attempt(() => void completeAdoption(host, FOLDER));
  attempt(() => {
    using disk = new VirtualDiskFiles(folder);
    attempt(() => disk.top.write(100, new Uint8Array(3000).fill(7)));
    attempt(() => {
      disk.prepareCow();
      disk.switchToCow();
      const state = disk.seal();
      if (state !== undefined) disk.letGo(state);
    });
    attempt(() => {
      using collector = new DiskCollector(disk, { needs: () => needs, running: random.oneIn(2) });
      let steps = 0;
      while (collector.step(65_536) === 'more') if (++steps > MOST_STEPS) throw new BoundBroken('the collector comes to no end');
    });
    attempt(() => disk.flush());
    attempt(() => disk.close());
  });
  attempt(check);
  attempt(() => {
    host.files.remove(folder.descriptorPath);
    rebuildDescriptor(folder, needs);
    check();
  });
  return well;
}
