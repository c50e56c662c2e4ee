// The whole test run on a fresh machine: installs what is missing, makes the guests, builds, checks, runs every test.
// Ends with a line "N passed, N failed".
import { checkSources, runTests } from './check.mjs';
import { ensureGuest } from './guests.mjs';
import { recipes } from './guests/recipes.mjs';
import { ensurePrograms, main } from './lib/host.mjs';
import { ensureCore, ensurePackages, ensureWindow } from './lib/install.mjs';

await main(() => {
  ensurePrograms([
    ['qemu-system-i386', 'qemu-system-x86'],
    ['qemu-img', 'qemu-utils'],
    ['iasl', 'acpica-tools'],
    ['nasm', 'nasm'],
    ['e2fsck', 'e2fsprogs'],
    ['mkfs.xfs', 'xfsprogs'],
    ['mkfs.btrfs', 'btrfs-progs'],
    ['xorriso', 'xorriso'],
    ['chromium', 'chromium'],
  ]);
  ensurePackages();
  ensureCore();
  ensureWindow();
  for (const name of Object.keys(recipes)) ensureGuest(name);
  checkSources();
  runTests();
});
