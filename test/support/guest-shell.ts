/** The guest with disks (scripts/guests/disk.mjs) and its shell, under Cairn or QEMU. */
import type { CairnHome } from './cairn.ts';
import { ConsoleProcess } from './console-process.ts';
import { diskGuest, QUICK_BOOT } from './guests.ts';

const PROMPT = /\/root # /;

export interface DiskGuestOptions {
  readonly append?: string;
  readonly memoryMiB?: number;
  /** Of the emulator: `--disk …` for Cairn, `-drive …` for QEMU. */
  readonly args?: readonly string[];
}

/** A shell on the serial line; commands run one at a time. */
export class GuestShell {
  readonly machine: ConsoleProcess;
  private commands = 0;

  constructor(machine: ConsoleProcess) {
    this.machine = machine;
  }

  /** At the prompt, and the kernel keeps its messages (dmesg) from what commands print. */
  async ready(): Promise<this> {
    await this.machine.waitFor(PROMPT);
    await this.run('dmesg -n 1');
    return this;
  }

  /** What the command prints, whatever its status, which is the second answer. */
  async attempt(command: string): Promise<{ output: string; status: number }> {
    const mark = `${++this.commands}`;
    // Quotes keep the marks from being found in the echo of what is typed.
    this.machine.type(`echo "<"${mark}"<"; ${command}; echo ">"${mark}">"$?\n`);
    await this.machine.waitFor(new RegExp(`<${mark}<\\r?\\n`));
    const [found, status] = await this.machine.waitFor(new RegExp(`>${mark}>(\\d+)\\r?\\n`));
    const end = this.machine.seenEnd - found.length;
    const start = this.machine.text.lastIndexOf(`<${mark}<`, end);
    const output = this.machine.text.slice(start, end).replaceAll('\r', '');
    return { output: output.slice(output.indexOf('\n') + 1), status: Number(status) };
  }

  /** The same, but a status that is not 0 is a failure. */
  async run(command: string): Promise<string> {
    const { output, status } = await this.attempt(command);
    if (status !== 0) throw new Error(`in the guest, “${command}” ended with ${status}: ${output.slice(-800)}`);
    return output;
  }

  /** Ends the machine as an administrator would: everything synced, nothing mounted, then off. */
  async powerOff(): Promise<void> {
    await this.run('sync; ! grep -q " /mnt " /proc/mounts || umount /mnt');
    this.machine.type('poweroff\n');
    const end = await this.machine.ended;
    if (end !== 0) throw new Error(`the machine ended with ${end} after poweroff: ${this.machine.errors}`);
  }
}

const appendOf = (options: DiskGuestOptions) => `${QUICK_BOOT} ${options.append ?? ''}`.trim();

/** `cairn run` of a new VM or, cold, of one that is there. */
export function cairnDiskGuest(home: CairnHome, name: string, options: DiskGuestOptions = {}): Promise<GuestShell> {
  const memory = `${options.memoryMiB ?? 256}M`;
  const boot = ['--kernel', diskGuest.kernel(), '--initrd', diskGuest.initrd(), '--append', appendOf(options)];
  return new GuestShell(home.run('--name', name, '--memory', memory, ...boot, ...(options.args ?? []))).ready();
}

/** QEMU with the same kernel and initramfs; whoever starts it ends it. */
export function qemuDiskGuest(options: DiskGuestOptions = {}): GuestShell {
  return new GuestShell(
    new ConsoleProcess('qemu-system-i386', [
      ...['-M', 'pc', '-accel', 'tcg', '-m', String(options.memoryMiB ?? 256), '-nic', 'none', '-no-reboot'],
      ...['-display', 'none', '-serial', 'stdio', '-monitor', 'none'],
      ...['-kernel', diskGuest.kernel(), '-initrd', diskGuest.initrd(), '-append', appendOf(options)],
      ...(options.args ?? []),
    ]),
  );
}
