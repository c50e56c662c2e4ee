// Makes the guests that the demo and the tests need, from Debian's packages by name, cached outside the repository.
//   node scripts/guests.mjs [NAME…]     all of them, or some; prints the folder of each
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { recipes } from './guests/recipes.mjs';
import { cacheDir, ensurePrograms, main, SetupError } from './lib/host.mjs';

/** Changes with every line of the recipes, so that a cached guest is never older than its recipe. */
function recipeVersion() {
  const hash = createHash('sha256');
  for (const folder of ['guests', 'lib']) {
    const at = fileURLToPath(new URL(folder, import.meta.url));
    for (const name of readdirSync(at).sort()) if (name !== 'install.mjs') hash.update(name).update(readFileSync(path.join(at, name)));
  }
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
    readFileSync(stamp, 'utf8') === recipeVersion() &&
    recipe.files.every(file => existsSync(path.join(folder, file)))
  )
    return folder;
  console.log(`Making the guest "${name}" from Debian packages …`);
  ensurePrograms(recipe.programs ?? []);
  const work = `${folder}.part`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  recipe.make(work);
  writeFileSync(path.join(work, '.made-by'), recipeVersion());
  rmSync(folder, { recursive: true, force: true });
  renameSync(work, folder);
  return folder;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(() => {
    for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(recipes)) console.log(`${name}: ${ensureGuest(name)}`);
  });
}
