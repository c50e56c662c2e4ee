/** The demo VM: made of what the set-up fetched (scripts/guests), created in the library once, and running when the app opens. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { HostClient, VmConfig } from './ipc/contract.ts';

export const DEMO_VM = 'Demo';

/** What the set-up tells the app: CAIRN_DEMO names the folder of the demo's kernel and initramfs, CAIRN_DEMO_MISSING says why there is none. */
export interface DemoOffer {
  readonly vm?: string;
  readonly missing?: string;
}

export function demoOffer(environment: NodeJS.ProcessEnv): DemoOffer {
  if (environment['CAIRN_DEMO'] !== undefined) return { vm: DEMO_VM };
  const missing = environment['CAIRN_DEMO_MISSING'];
  return missing === undefined ? {} : { missing };
}

/** Creates the demo VM where the library has none, and starts it where it is off. */
export async function openDemo(client: HostClient, environment: NodeJS.ProcessEnv): Promise<void> {
  const folder = environment['CAIRN_DEMO'];
  if (folder === undefined) return;
  const vms = await client.request('vm.list', {});
  let demo = vms.find(vm => vm.name === DEMO_VM);
  if (!demo) {
    const [kernel, initrd] = [join(folder, 'vmlinuz'), join(folder, 'initrd.gz')];
    if (!existsSync(kernel) || !existsSync(initrd)) return;
    // the last console is the one that the kernel's own /dev/console goes to: the screen
    const append = 'console=ttyS0 console=tty0';
    const config: VmConfig = {
      memoryMiB: 256,
      kernel,
      initrd,
      append,
      debugExit: false,
      noReboot: false,
      disks: [],
      checkpointMode: 'chain',
      overwrite: false,
    };
    demo = await client.request('vm.create', { name: DEMO_VM, config });
  }
  if ((demo.state === 'off' || demo.state === 'crashed') && !demo.ownedElsewhere) await client.request('vm.start', { name: DEMO_VM });
}
