/**
 * npm run bench idle [SECONDS] [EMULATOR...]: what the demo guest costs the host at its prompt, when nothing happens: processor time of the emulator's
 * processes as a share of one core, by thread, and the guest's interrupts. Reads Linux's /proc, so it runs on Linux only.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsoleProcess } from '../support/console-process.ts';
import { emulators, SHELL } from './guest.ts';
import { threads, TICKS_A_SECOND } from './host/processor-time.ts';

/** After the prompt the guest still has things to put in order, and the emulator to optimize. */
const SETTLE_SECONDS = 15;
/** Our own commands keep it awake for a while. */
const QUIET_SECONDS = 5;

const seconds = Number(process.argv[2] ?? 30);
const names = process.argv.slice(3);

let marks = 0;
async function interrupts(guest: ConsoleProcess): Promise<Map<string, number>> {
  const mark = `@@${++marks}@@`;
  guest.type(`cat /proc/interrupts; echo "@@"${marks}"@@"\n`);
  const from = guest.text.length;
  await guest.waitFor(new RegExp(mark));
  const lines = guest.text.slice(from).matchAll(/^\s*(\w+):\s+(\d+)\s+(.*?)\s*$/gm);
  return new Map(Array.from(lines, ([, line, count, name]) => [`${line} ${name}`.replaceAll(/\s+/g, ' '), Number(count)]));
}

for (const name of names.length > 0 ? names : ['cairn', 'qemu']) {
  const home = mkdtempSync(path.join(os.tmpdir(), 'cairn-bench-'));
  const guest = emulators[name]!({ memoryMiB: 256, home, append: 'quiet' });
  await guest.waitFor(SHELL);
  await sleep(SETTLE_SECONDS * 1000);
  const interruptsBefore = await interrupts(guest);
  await sleep(QUIET_SECONDS * 1000);
  const before = threads(guest.child.pid!);
  const begin = performance.now();
  await sleep(seconds * 1000);
  const after = threads(guest.child.pid!);
  const elapsed = (performance.now() - begin) / 1000;
  const interruptsAfter = await interrupts(guest);

  const rows = Array.from(after, ([folder, usage]) => ({
    name: usage.name,
    share: (usage.ticks - (before.get(folder)?.ticks ?? 0)) / TICKS_A_SECOND / elapsed,
    wakeups: (usage.sleeps - (before.get(folder)?.sleeps ?? 0)) / elapsed,
  })).filter(row => row.share > 0 || row.wakeups > 0);
  const total = rows.reduce((sum, row) => sum + row.share, 0);
  console.log(`${name}: ${(100 * total).toFixed(2)} % of a core over ${elapsed.toFixed(0)} s`);
  for (const row of rows.toSorted((a, b) => b.wakeups - a.wakeups))
    console.log(
      `  thread ${row.name.padEnd(16)} ${(100 * row.share).toFixed(2).padStart(6)} %  ${row.wakeups.toFixed(1).padStart(7)} wakeups/s`,
    );
  for (const [line, count] of interruptsAfter) {
    const rate = (count - (interruptsBefore.get(line) ?? 0)) / (elapsed + QUIET_SECONDS);
    if (rate > 0) console.log(`  guest interrupt ${line}: ${rate.toFixed(1)}/s`);
  }
  await guest.kill();
  rmSync(home, { recursive: true, force: true });
}
