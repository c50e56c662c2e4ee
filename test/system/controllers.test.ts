/**
 * Every disk controller under an unmodified Linux, with drives that end requests in any order, and restores while requests are pending (METHOD
 * steps 815, 902-914): what the pending ones wrote is on the restored disk, what they read is in the restored memory, and the guest hears of
 * their end from the restored controllers. The guest's program knows what each block has to hold.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { GuestMemory } from '#engine/devices/device.ts';
import type { AttachedDrive, BootSource } from '#engine/machine/machine.ts';
import { PAGE_SIZE } from '#engine/memory/layout.ts';
import { Random } from '../differential/random.ts';
import { BenchPc } from '../support/bench-pc.ts';
import { FakeDrive } from '../support/fake-drive.ts';
import { diskGuest } from '../support/guests.ts';

const RAM_BYTES = 192 << 20;
const DISK_BYTES = 24 << 20;
const INTERFACES = ['virtio', 'scsi', 'ide'] as const;
const DEVICES = ['vda', 'sda', 'sdb'];
const RESTORES = 2;
/** With the question for the cursor's place that the shell asks after it. */
const PROMPT = /# (.\[6n)?$/;
const random = new Random(3);

class DiskPc {
  readonly bench: BenchPc;
  readonly drives: readonly FakeDrive[];
  /** Of the guest's console, since it was last cleared. */
  output = '';

  constructor(boot: BootSource) {
    const memory: GuestMemory = {
      read: (gpa, into) => this.bench.pc.memory.read(gpa, into),
      write: (gpa, bytes) => this.bench.pc.memory.write(gpa, bytes),
    };
    this.drives = INTERFACES.map(() => new FakeDrive(memory, { sizeBytes: DISK_BYTES }));
    const drives = INTERFACES.map((kind, i): AttachedDrive => ({ interface: kind, media: 'disk', drive: this.drives[i]! }));
    this.bench = new BenchPc({ ramBytes: RAM_BYTES, drives, balloon: true, boot });
    this.bench.onSerial = (port, byte) => {
      if (port === 0) this.output += String.fromCharCode(byte);
    };
  }

  /** Some of the pending requests end now and then, in any order. */
  private serve() {
    for (const drive of this.drives) {
      if (drive.held.length === 0 || !random.chance(40)) continue;
      for (let count = 1 + random.below(drive.held.length); count > 0; count--) drive.complete(random.below(drive.held.length));
    }
  }

  runUntil(done: () => boolean, maxInstructions = 30e9) {
    let seen = false;
    this.bench.run(maxInstructions, () => {
      seen ||= done();
      if (!seen) this.serve();
      return seen;
    });
    if (!seen) throw new Error(`the guest did not get there: ${this.output.slice(-1000)}`);
  }

  command(line: string) {
    this.output = '';
    const bytes = new TextEncoder().encode(`${line}\n`);
    let sent = 0;
    this.runUntil(() => {
      sent += this.bench.pc.serialInput(0, bytes.subarray(sent));
      return sent === bytes.length;
    });
    this.runUntil(() => this.output.includes('\n') && PROMPT.test(this.output));
  }
}

/** The machine as a checkpoint would bring it back: devices as they are now, memory and disks as the pending requests leave them. */
function restored(pc: DiskPc): DiskPc {
  const devices = structuredClone(pc.bench.pc.saveDevices());
  for (const drive of pc.drives) for (let pending = drive.held.length; pending > 0; pending--) drive.complete(random.below(pending));
  const next = new DiskPc({ kind: 'none' });
  for (const [i, drive] of pc.drives.entries()) next.drives[i]!.content.set(drive.content);
  const [from, to] = [pc.bench.pc, next.bench.pc];
  to.loadDevices(devices);
  const page = new Uint8Array(PAGE_SIZE);
  for (let gppn = 0; gppn < RAM_BYTES / PAGE_SIZE; gppn++) {
    if (from.core.pageForRead(gppn) === 0) continue;
    from.memory.read(gppn * PAGE_SIZE, page);
    if (page.some(byte => byte !== 0)) to.memory.write(gppn * PAGE_SIZE, page);
    else to.core.clearPage(gppn);
  }
  to.core.resetDerived();
  to.endPending();
  return next;
}

test('virtio, SCSI and IDE disks keep their promises over restores with requests pending', () => {
  const [kernel, initrd] = [diskGuest.kernel(), diskGuest.initrd()].map(file => readFileSync(file));
  let pc = new DiskPc({ kind: 'linux', kernel: kernel!, initrd, commandLine: 'console=ttyS0 quiet' });
  pc.runUntil(() => PROMPT.test(pc.output));
  for (const device of DEVICES)
    pc.command(`/sbin/mke2fs -q -t ext4 /dev/${device}; mkdir /${device}; mount /dev/${device} /${device}; mount | grep -c ${device}`);
  pc.command(
    `cd /; for d in ${DEVICES.join(' ')}; do disk-work churn /$d/file >/$d.log & done; grep -E "XT-PIC.*(virtio|ata)" /proc/interrupts`,
  );
  expect(pc.output).toMatch(/virtio/);

  for (let i = 0; i < RESTORES; i++) {
    const until = pc.bench.pc.instructionCount() + 1e9;
    pc.runUntil(() => pc.bench.pc.instructionCount() > until && pc.drives.every(drive => drive.held.length > 0));
    pc = restored(pc);
    for (const device of DEVICES) {
      pc.command(`a=$(tail -n 1 /${device}.log); sleep 2; b=$(tail -n 1 /${device}.log); echo "$a, $b"`);
      expect(pc.output, device).not.toMatch(/broken/);
      const [before, after] = [...pc.output.matchAll(/churned (\d+)/g)].map(match => Number(match[1]));
      expect(after, `${device}: ${pc.output}`).toBeGreaterThan(before!);
    }
  }
  pc.command('dmesg | grep -iE "error|timeout|reset|failed" | grep -vE "module verification|Power-on"; echo end of errors');
  expect(pc.output).not.toMatch(/\n\[/);
});
