/**
 * The folder of a VM in a real temporary folder, one of its own files damaged: vm.json, state.json, the catalogue, and what says who owns it. The library's
 * list, the opening, the check and the repair of it end with an answer or an error for the user; what the files hold can be had again.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { CairnError } from '#engine/errors/errors.ts';
import { Bundle } from '#main/bundle.ts';
import { Catalog } from '#main/catalog.ts';
import { checkBundle } from '#main/check.ts';
import { readCheckpointInfo } from '#main/checkpoint-files.ts';
import { inspect } from '#main/inspect.ts';
import { readOwner } from '#main/owner.ts';
import { readVmState } from '#main/vm-state.ts';
import { VmBox } from '../support/vm-box.ts';
import { mutate } from './mutate.ts';
import { mutateJson } from './mutate-json.ts';
import type { Random } from './random.ts';
import { BoundBroken } from './watched-files.ts';

export interface BundleSeed extends Disposable {
  readonly path: string;
  /** Of its checkpoints. */
  readonly ids: readonly string[];
}

/** Two checkpoints, one of them noted, and the machine on the second. */
export async function makeBundleSeed(): Promise<BundleSeed> {
  const box = new VmBox();
  const bundle = await box.open();
  const first = await box.take(bundle, 'first');
  const second = await box.take(bundle, 'second');
  bundle.mark(first, { title: 'renamed', note: 'words', pinned: true });
  bundle.close();
  writeFileSync(join(box.path, 'owner.json'), JSON.stringify({ pid: 2 ** 22 + 7 }));
  return { path: box.path, ids: [first, second], [Symbol.dispose]: () => box.dispose() };
}

const NAMES = ['vm.json', 'state.json', 'catalog.db', 'owner.json'];

export async function fuzzBundle(seed: BundleSeed, random: Random): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-fuzz-'));
  try {
    const path = join(folder, basename(seed.path));
    cpSync(seed.path, path, { recursive: true });
    const name = random.pick(NAMES);
    const bytes = readFileSync(join(path, name));
    writeFileSync(join(path, name), name === 'catalog.db' ? damagedCatalog(bytes, random) : mutateJson(bytes.toString(), random));
    return await use(path, name, seed);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Fields of the header, cells and headers of pages, and bytes anywhere. */
function damagedCatalog(good: Buffer, random: Random): Uint8Array {
  const bytes = new Uint8Array(good);
  if (random.oneIn(12)) return bytes.subarray(0, random.below(bytes.length));
  const pages = Array.from({ length: bytes.length / 4096 }, (_, page) => page * 4096);
  const spots = [
    { at: 16, length: 84, width: 1, little: false },
    { at: 16, length: 84, width: 4, little: false },
    ...pages.map(at => ({ at: at === 0 ? 100 : at, length: 64, width: 2, little: false }) as const),
  ] as const;
  mutate(bytes, spots, random);
  return bytes;
}

async function use(path: string, name: string, { ids }: BundleSeed): Promise<boolean> {
  let well = true;
  let refusal: CairnError | undefined;
  const attempt = async <T>(action: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof CairnError) || error.code === 'INVARIANT') throw error;
      well = false;
      refusal = error;
      return undefined;
    }
  };
  await attempt(() => Bundle.readConfig(path));
  await attempt(() => Bundle.readPolicy(path));
  await attempt(() => readOwner(path));
  if ((await attempt(() => readVmState(path))) === 'damaged') well = false;
  await attempt(() => Catalog.peek(join(path, 'catalog.db')));
  await attempt(() => inspect(path));
  await attempt(() => inspect(join(path, name)));
  const report = await attempt(() => checkBundle(path));
  if (report && report.problems.length > 0) well = false;
  const bundle = await attempt(() => Bundle.open(path, readCheckpointInfo, 0));
  if (bundle === undefined) {
    // The catalogue is a cache of the files; only one of a newer Cairn is left alone.
    if (name === 'catalog.db' && refusal?.code !== 'CATALOG_VERSION')
      throw new BoundBroken(`a damaged catalogue keeps the VM shut: ${refusal?.message ?? 'it is said to be in use'}`);
    return well;
  }
  try {
    const found = bundle.catalog.list().map(({ id }) => id);
    if (!ids.every(id => found.includes(id))) throw new BoundBroken(`of ${ids.join(', ')} only ${found.join(', ')} are listed`);
    await attempt(() => bundle.mark(ids[0]!, { note: 'more words' }));
    await attempt(() => bundle.catalog.history(50));
  } finally {
    bundle.close();
  }
  if (readdirSync(join(path, 'checkpoints')).filter(file => file.endsWith('.ckpt')).length !== ids.length)
    throw new BoundBroken('a checkpoint file is gone');
  return well;
}
