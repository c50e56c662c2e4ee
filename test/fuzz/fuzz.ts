/** Damaged disk images, checkpoint files, volumes and folders of VMs, one after the other; the same numbers give the same cases. */
import { fuzzBundle, makeBundleSeed } from './bundle-target.ts';
import { fuzzCheckpoint, makeCheckpoint } from './checkpoint-target.ts';
import { fuzzDiskFolder, makeFolderSeeds } from './disk-folder-target.ts';
import { makeDiskSeeds } from './disk-seeds.ts';
import { fuzzDisk } from './disk-target.ts';
import { fuzzPackedCheckpoint, fuzzPackedDisk } from './packed-target.ts';
import { Random } from './random.ts';
import { fuzzVolume, makeVolumeSeed } from './volume-target.ts';

export interface FuzzRequest {
  readonly cases: number;
  readonly seed: number;
  /** The first case. */
  readonly from?: number;
  /** Beginnings of targets' names; all of them without. */
  readonly only?: string;
  readonly onCase?: (done: number) => void;
}

export interface FuzzReport {
  /** By target: how many cases, and how many of them were taken for good in all that was done. */
  readonly targets: Readonly<Record<string, { cases: number; good: number }>>;
}

interface Target {
  readonly name: string;
  readonly run: (random: Random) => boolean | Promise<boolean>;
}

async function targets(kept: DisposableStack): Promise<Target[]> {
  const checkpoint = makeCheckpoint();
  const volume = makeVolumeSeed(checkpoint);
  const disks = makeDiskSeeds();
  const folders = makeFolderSeeds();
  const bundle = kept.use(await makeBundleSeed());
  return [
    ...disks.map(seed => ({ name: seed.name, run: (random: Random) => fuzzDisk(seed, random) })),
    ...disks
      .filter(({ name }) => name === 'qcow2 zlib' || name === 'qcow2 zstd')
      .map(seed => ({ name: `packed ${seed.name}`, run: (random: Random) => fuzzPackedDisk(seed, random) })),
    { name: 'checkpoint', run: random => fuzzCheckpoint(checkpoint, random) },
    { name: 'packed checkpoint', run: fuzzPackedCheckpoint },
    { name: 'volume', run: random => fuzzVolume(volume, random) },
    { name: 'disk folder', run: random => fuzzDiskFolder(folders, random) },
    { name: 'bundle', run: random => fuzzBundle(bundle, random) },
  ];
}

/** Throws what a case threw, with its number in the message: what comes out of a case is an error of Cairn's for its user, or a bug. */
export async function fuzz({ cases, seed, from = 0, only = '', onCase = () => {} }: FuzzRequest): Promise<FuzzReport> {
  using kept = new DisposableStack();
  const chosen = (await targets(kept)).filter(({ name }) => name.startsWith(only));
  const report: Record<string, { cases: number; good: number }> = Object.fromEntries(
    chosen.map(({ name }) => [name, { cases: 0, good: 0 }]),
  );
  for (let number = from; number < from + cases; number++) {
    const { name, run } = chosen[number % chosen.length]!;
    try {
      const good = await run(new Random(Math.imul(seed, 0x9e3779b1) + number));
      report[name]!.cases++;
      if (good) report[name]!.good++;
    } catch (cause) {
      const again = `--seed ${seed} --from ${number} --cases 1${only === '' ? '' : ` --only "${only}"`}`;
      throw new Error(`${name}, case ${number} (${again}): ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
    onCase(number - from + 1);
  }
  return { targets: report };
}
