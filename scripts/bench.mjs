// npm run bench NAME [ARGUMENTS]: prints figures; never a test. Names are the files of test/bench.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ensureGuest } from './guests.mjs';
import { ensurePrograms, main, root, runProjectNode, SetupError } from './lib/host.mjs';
import { ensureCore, ensurePackages } from './lib/install.mjs';

await main(async () => {
  const folder = path.join(root, 'test/bench');
  const [name = '', ...args] = process.argv.slice(2);
  const file = path.join(folder, `${name}.ts`);
  const names = readdirSync(folder)
    .filter(entry => entry.endsWith('.ts') && entry !== 'guest.ts')
    .map(entry => entry.slice(0, -3));
  if (!/^[a-z-]+$/.test(name) || !existsSync(file)) throw new SetupError(`Name a benchmark: npm run bench ${names.join(' | ')}`);
  ensurePackages();
  ensureCore();
  ensurePrograms([
    ['qemu-system-i386', 'qemu-system-x86'],
    ['qemu-img', 'qemu-utils'],
    ['/usr/share/seabios/bios.bin', 'seabios'],
  ]);
  for (const guest of ['demo', 'disk']) ensureGuest(guest);
  return runProjectNode([file, ...args]);
});
