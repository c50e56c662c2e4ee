/**
 * More snippets than the test runs: `node test/differential/run.ts [SNIPPETS [SEED [SHOWN-PER-KIND]]]`. Without a seed the clock's;
 * even seeds with PAE.
 * Exit code 1 when Cairn and QEMU disagree.
 */
import { compareSeed } from './compare.ts';

const snippets = Number(process.argv[2] ?? 100_000);
let seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
const shownPerKind = Number(process.argv[4] ?? 5);
const BATCH = 20_000;

const counts = new Map<string, number>();
for (let done = 0; done < snippets; done += BATCH) {
  const { mismatches } = compareSeed(seed, Math.min(BATCH, snippets - done), seed % 2 === 0 ? 'pae' : 'legacy');
  for (const { kind, report } of mismatches) {
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    if (count <= shownPerKind) console.log(`${report}\n`);
  }
  console.log(`seed ${seed}: ${mismatches.length} mismatches`);
  seed++;
}
for (const [kind, count] of counts) console.log(`${kind}: ${count}`);
process.exitCode = counts.size === 0 ? 0 : 1;
