/** The guests that scripts/guests.mjs made. A missing one is a failure, never a skip. */
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export function guestFile(guest: 'demo' | 'installer' | 'suite-32' | 'disk-samples', file: string): string {
  const cache = process.env['CAIRN_CACHE'] ?? path.join(process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache'), 'cairn');
  const found = path.join(cache, 'guests', guest, file);
  if (!existsSync(found)) throw new Error(`${found} is missing: make it with "node scripts/guests.mjs ${guest}"`);
  return found;
}

export const demo = { kernel: () => guestFile('demo', 'vmlinuz'), initrd: () => guestFile('demo', 'initrd.gz') };
