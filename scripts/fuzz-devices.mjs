// node scripts/fuzz-devices.mjs [--operations N] [--seed N] [--from N] [--only GENERATOR]: everything that a guest, a host and storage can do to the devices of a
// PC, for a nightly run: 100 million operations unless told. A failing case is printed as a short run of operations, with the words that run it again.
import { main, runProjectNode } from './lib/host.mjs';
import { ensureCore, ensurePackages } from './lib/install.mjs';

await main(() => {
  ensurePackages();
  ensureCore();
  return runProjectNode(['test/fuzz/devices/run.ts', ...process.argv.slice(2)]);
});
