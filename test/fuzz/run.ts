/** node scripts/fuzz.mjs [--cases N] [--seed N] [--from N] [--only TARGET]: prints what was done; ends with 1 and the case's numbers at the first bug. */
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
  },
});
const start = performance.now();
let [before, slowestMs, slowest] = [start, 0, 0];
try {
  const { targets } = await fuzz({
    cases: Number(values.cases),
    seed: Number(values.seed),
    from: Number(values.from),
    only: values.only,
    onCase(done) {
      const now = performance.now();
      if (now - before > slowestMs) [slowestMs, slowest] = [now - before, Number(values.from) + done - 1];
      before = now;
      if (done % 10_000 === 0) console.log(`${done} cases, ${Math.round((now - start) / 1000)} s`);
    },
  });
  for (const [name, { cases, good }] of Object.entries(targets))
    console.log(`${name.padEnd(28)}${cases} cases, ${good} of them taken for good`);
  console.log(`Nothing but refusals. The slowest case was ${slowest}, ${Math.round(slowestMs)} ms.`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
