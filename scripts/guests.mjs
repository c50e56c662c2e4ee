// Makes the guests that the demo and the tests need, from Debian's packages by name, cached outside the repository.
//   node scripts/guests.mjs [NAME…]     all of them, or some; prints the folder of each
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { recipes } from './guests/recipes.mjs';
import { cacheDir, ensurePrograms, main, SetupError } from './lib/host.mjs';

/** Changes with the recipe, its `sources` and what all recipes share, so that a cached guest is never older than its recipe. */
function versionOf(recipe) {
  const hash = createHash('sha256').update(String(recipe.make));
  const lib = ['cpio.mjs', 'debian.mjs', 'host.mjs'].map(name => `lib/${name}`);
  for (const name of [...lib, ...recipe.sources.map(source => `guests/${source}`)])
    hash.update(name).update(readFileSync(new URL(name, import.meta.url)));
  return hash.digest('hex').slice(0, 12);
}

/** The folder of a guest, made now if it isn't there. Throws SetupError when it can't be. */
export function ensureGuest(name) {
  const recipe = recipes[name];
  if (!recipe) throw new SetupError(`There is no guest "${name}"; there are: ${Object.keys(recipes).join(', ')}.`);
  const folder = path.join(cacheDir(), 'guests', name);
  const stamp = path.join(folder, '.made-by');
  if (
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === versionOf(recipe) &&
    recipe.files.every(file => existsSync(path.join(folder, file)))
  )
    return folder;
  console.log(`Making the guest "${name}" from Debian packages …`);
  ensurePrograms(recipe.programs ?? []);
  const work = `${folder}.part`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  recipe.make(work);
  writeFileSync(path.join(work, '.made-by'), versionOf(recipe));
  rmSync(folder, { recursive: true, force: true });
  renameSync(work, folder);
  return folder;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(() => {
    for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(recipes)) console.log(`${name}: ${ensureGuest(name)}`);
  });
}
