// build/engine.wasm carries the digest of its sources itself, so that a copied, checked-out or half-written file passes for no other.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './host.mjs';
import { sourceDigest } from './source-digest.mjs';

const SOURCES = [
  'engine/core.as.ts',
  'engine/cpu',
  'engine/isa',
  'engine/memory',
  'scripts/build-core.mjs',
  'scripts/lib/core-options.mjs',
  'package-lock.json',
];
const DIGEST_LENGTH = 64;

const coreFile = path.join(root, 'build/engine.wasm');

/** A custom section (WebAssembly specification § 5.5.3); `text` is short, and ASCII. */
export function customSection(name, text) {
  const content = Buffer.from(`${String.fromCharCode(name.length)}${name}${text}`, 'latin1');
  return Buffer.concat([Buffer.from([0, (content.length & 0x7f) | 0x80, content.length >> 7]), content]);
}

/** The last section of a core that is built now. */
export const sourcesSection = () => customSection('cairn.sources', sourceDigest(SOURCES));

/** Whether the core is there and comes from the sources as they are now. */
export function coreIsCurrent() {
  return existsSync(coreFile) && readFileSync(coreFile).subarray(-DIGEST_LENGTH).toString('latin1') === sourceDigest(SOURCES);
}
