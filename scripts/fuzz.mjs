// node scripts/fuzz.mjs [--cases N] [--seed N] [--from N] [--only TARGET]: damaged disk images, checkpoint files, volumes and folders of VMs, for a nightly run.
// 100,000 cases unless told; a failing one is printed with the words that run it again.
import { ensurePrograms, main, runProjectNode } from './lib/host.mjs';
import { ensureCore, ensurePackages } from './lib/install.mjs';

await main(() => {
  ensurePackages();
  ensureCore();
  ensurePrograms([['qemu-img', 'qemu-utils']]);
  return runProjectNode(['test/fuzz/run.ts', ...process.argv.slice(2)]);
});
