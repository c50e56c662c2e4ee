/** node scripts/fuzz-devices.mjs [--operations N] [--seed N] [--from N] [--only GENERATOR]: prints what was reached; ends with 1 and a short run at the first bug. */
import { parseArgs } from 'node:util';
import { fuzzDevices } from './fuzz-devices.ts';

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '100000000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
  },
});
const STEP = 1_000_000;
const start = performance.now();
let told = 0;
try {
  const { operations, coverage, most } = fuzzDevices({
    operations: Number(values.operations),
    seed: Number(values.seed),
    from: Number(values.from),
    only: values.only,
    onCase(done) {
      if (done - told < STEP) return;
      told = done;
      console.log(`${done} operations, ${Math.round((performance.now() - start) / 1000)} s`);
    },
  });
  for (const [what, count] of [...coverage].sort(([a], [b]) => (a < b ? -1 : 1))) console.log(`${what.padEnd(40)}${count}`);
  console.log(`The most in one operation: ${JSON.stringify(most)}`);
  console.log(`${operations} operations, nothing found.`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
