/**
 * npm run bench checkpoint -- [PART] [MIB…] [times=N]: what checkpoints cost, and what going back to them does, beside QEMU and v86 in the same run. Without a
 * part all of them run, one after the other; each boots guests of its own. Sizes are of guest memory.
 */
import { chainPart } from './checkpoint/chain.ts';
import { pausePart } from './checkpoint/pause.ts';
import { periodicPart } from './checkpoint/periodic.ts';
import { restorePart } from './checkpoint/restore.ts';
import { revertPart } from './checkpoint/revert.ts';
import { slowdownPart } from './checkpoint/slowdown.ts';

interface Part {
  run(sizes: readonly number[], times: number): Promise<void> | void;
  readonly sizes: readonly number[];
  /** Checkpoints or reverts that a figure is of. */
  readonly times: number;
}

const PARTS: Readonly<Record<string, Part>> = {
  pause: { run: pausePart, sizes: [256, 1024, 2048], times: 20 },
  slowdown: { run: slowdownPart, sizes: [1024], times: 10 },
  periodic: { run: periodicPart, sizes: [1024], times: 10 },
  restore: { run: restorePart, sizes: [256, 1024, 2048], times: 5 },
  revert: { run: revertPart, sizes: [256, 1024, 2048], times: 5 },
  chain: { run: chainPart, sizes: [], times: 3 },
};

const words = process.argv.slice(2);
const chosen = words.filter(word => word in PARTS);
const sizes = words.map(Number).filter(word => word > 0);
const times = words.map(word => /^times=(\d+)$/.exec(word)?.[1]).find(word => word !== undefined);
if (words.length > chosen.length + sizes.length + (times === undefined ? 0 : 1)) {
  throw new Error(`npm run bench checkpoint -- [${Object.keys(PARTS).join(' | ')}] [MIB…] [times=N]`);
}
for (const name of chosen.length > 0 ? chosen : Object.keys(PARTS)) {
  const part = PARTS[name]!;
  console.log(`\n## ${name}`);
  await part.run(sizes.length > 0 ? sizes : part.sizes, times === undefined ? part.times : Number(times));
}
