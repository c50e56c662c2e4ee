/** The guests that scripts/guests.mjs made. A missing one is a failure, never a skip. */
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

type Guest = 'debian' | 'demo' | 'disk' | 'disk-samples' | 'installer' | 'suite-32';

export function guestFile(guest: Guest, file: string): string {
  const cache = process.env['CAIRN_CACHE'] ?? path.join(process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache'), 'cairn');
  const found = path.join(cache, 'guests', guest, file);
  if (!existsSync(found)) throw new Error(`${found} is missing: make it with "node scripts/guests.mjs ${guest}"`);
  return found;
}

export const demo = { kernel: () => guestFile('demo', 'vmlinuz'), initrd: () => guestFile('demo', 'initrd.gz') };

/** Kernel command line that leaves out what takes most of an emulated boot and says nothing about the machine: ciphers tested, certificates read. */
export const QUICK_BOOT = 'console=ttyS0 cryptomgr.notests=1 initcall_blacklist=load_system_certificate_list noisapnp';

/** Linux with drivers for every disk controller, ext4 and isofs; `mount=/dev/vda` in `append` mounts that on /mnt. */
export const diskGuest = { kernel: () => guestFile('disk', 'vmlinuz'), initrd: () => guestFile('disk', 'initrd.gz') };
