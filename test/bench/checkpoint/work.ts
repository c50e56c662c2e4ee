/** What the guest does meanwhile: it prints a line for each piece of work, and the host notes when the line came. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsoleProcess } from '../../support/console-process.ts';
import { dirtyProgram } from '../../../scripts/guests/dirty-program.mjs';
import { SHELL } from '../guest.ts';

/** MiB that the dirty program keeps writing to. */
export const HOT_MIB = 32;

export const WORKS = {
  /** Writes two words of each page of HOT_MIB, then prints the pass's number. */
  dirty: `dirty ${HOT_MIB}`,
  /** Computes, and prints a number now and then. */
  compute: 'awk \'BEGIN { for (;;) { for (i = 0; i < 100; i++) x = x * 3 % 1000003 + i; printf "%010d\\n", ++n } }\'',
  /** Does hardly more than print numbers. */
  count: 'i=0; while :; do i=$((i+1)); echo 00$i; done',
} as const;

/** A booted guest with the dirty program in it and a third of its memory full of noise, no page of it like another. */
export async function fillGuest(guest: ConsoleProcess, memoryMiB: number): Promise<void> {
  await guest.waitFor(SHELL);
  guest.type(`echo ${Buffer.from(dirtyProgram()).toString('base64')} | base64 -d >/bin/dirty; chmod +x /bin/dirty; echo typ''ed\n`);
  await guest.waitFor(/typed/);
  const rounds = Math.floor(memoryMiB / 24);
  guest.type(`dd if=/dev/urandom of=/tmp/seed bs=1M count=8 2>/dev/null; i=0\n`);
  guest.type(`while [ $i -lt ${rounds} ]; do tail -c +$((i*37+1)) /tmp/seed >>/tmp/fill; i=$((i+1)); done; echo fill''ed\n`);
  await guest.waitFor(/filled/);
}

/** Reads and writes at random places of the disk, several at once, past the guest's page cache, until stopDisk(). */
export async function loadDisk(guest: ConsoleProcess): Promise<void> {
  guest.type('mkfs.ext4 -q -F /dev/vda 240M; mount /dev/vda /mnt; disk-work churn /mnt/churn >/tmp/churn & \n');
  guest.type("until grep -q churned /tmp/churn; do sleep 1; done; echo churn''ing\n");
  await guest.waitFor(/churning/);
}

export async function stopDisk(guest: ConsoleProcess): Promise<void> {
  guest.type("killall disk-work; wait; cat /tmp/churn | tail -n 1; umount /mnt; echo still''ness\n");
  await guest.waitFor(/stillness/);
}

/** A piece of work that was done. */
interface Beat {
  readonly at: number;
  readonly number: number;
}

export class Work {
  readonly beats: Beat[] = [];
  private readonly guest: ConsoleProcess;
  private text = '';
  private readonly hear = (chunk: Buffer): void => {
    const at = performance.now();
    const lines = (this.text + chunk.toString('latin1')).split('\n');
    this.text = lines.pop()!;
    for (const line of lines) if (/^\d+\r?$/.test(line)) this.beats.push({ at, number: Number(line) });
  };

  private constructor(guest: ConsoleProcess) {
    this.guest = guest;
    guest.child.stdout.on('data', this.hear);
  }

  /** Settles when the guest is at it. */
  static async begin(guest: ConsoleProcess, command: string): Promise<Work> {
    guest.type(`${command}\n`);
    const work = new Work(guest);
    while (work.beats.length < 50) await sleep(20);
    return work;
  }

  /** Settles when the shell reads again: until then it loses what is typed. */
  async stop(): Promise<void> {
    const { guest } = this;
    guest.child.stdout.off('data', this.hear);
    guest.type('\x03');
    const heard = guest.waitFor(/quietness/).then(() => true);
    do guest.type("echo quiet''ness\n");
    while (!(await Promise.race([heard, sleep(300, false)])));
    await sleep(300);
  }

  /** The longest time without a line. */
  longestGapMs(from: number, to: number): number {
    const inside = this.beats.filter(({ at }) => at >= from && at <= to);
    return Math.max(0, ...inside.slice(1).map(({ at }, i) => at - inside[i]!.at));
  }

  /** Pieces of work. */
  count(from: number, to: number): number {
    return this.beats.filter(({ at }) => at >= from && at < to).length;
  }
}
