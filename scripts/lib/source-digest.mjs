// What something was built from, in one number.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { root } from './host.mjs';

function* within(folder) {
  for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
    const name = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* within(name);
    else if (!name.endsWith('.test.ts')) yield name;
  }
}

/** SHA-256 over names and contents of `entries` (files, or folders with all that is in them but tests), as hex digits. */
export function sourceDigest(entries) {
  const hash = createHash('sha256');
  for (const entry of entries) {
    const files = statSync(path.join(root, entry)).isDirectory() ? [...within(entry)].sort() : [entry];
    for (const file of files) hash.update(file).update(readFileSync(path.join(root, file)));
  }
  return hash.digest('hex');
}
