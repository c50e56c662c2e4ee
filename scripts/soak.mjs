// node scripts/soak.mjs: for a nightly run, what the tests do for a minute: ten minutes of a working Debian on each controller and in each mode with a checkpoint every
// 15 s, and fifty times kill -9. The variables below change it.
import { ensureGuest } from './guests.mjs';
import { ensurePrograms, main, runProjectNode } from './lib/host.mjs';
import { ensureCore, ensurePackages } from './lib/install.mjs';

await main(() => {
  ensurePackages();
  ensureCore();
  ensurePrograms([
    ['qemu-img', 'qemu-utils'],
    ['e2fsck', 'e2fsprogs'],
  ]);
  for (const guest of ['disk', 'debian']) ensureGuest(guest);
  const settings = {
    CAIRN_SOAK_SECONDS: '600',
    CAIRN_SOAK_PERIOD: '15',
    CAIRN_SOAK_ALL: '1',
    CAIRN_KILL9_ROUNDS: '50',
    CAIRN_SEED: String(Date.now() % 1e6),
  };
  const env = { ...settings, ...process.env };
  console.log(`CAIRN_SEED=${env.CAIRN_SEED}`);
  return runProjectNode(
    ['node_modules/vitest/vitest.mjs', 'run', '--project', 'system', 'test/system/soak.test.ts', 'test/system/kill9.test.ts'],
    {
      env,
    },
  );
});
