/**
 * npm run bench sharing [ROUNDS]: what sharing equal pages (METHOD § 138) costs and saves: the demo guest with and without it, each work done in turn; processor seconds of the whole
 * emulator, and how much of a core it takes at the guest's prompt. Reads Linux's /proc, so it runs on Linux only.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ConsoleProcess } from '../support/console-process.ts';
import { emulators, median, SHELL } from './guest.ts';
import { processorSeconds } from './host/processor-time.ts';

const WORK: Record<string, string> = {
  'shell loop 30k': 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done',
  'fork and exec 200': 'i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done',
};
const IDLE_SECONDS = 30;
/** The scanner has been through all of the memory by then. */
const SETTLE_SECONDS = 40;

const rounds = Number(process.argv[2] ?? 5);
const home = mkdtempSync(path.join(os.tmpdir(), 'cairn-bench-'));
const cairn = fileURLToPath(new URL('../../scripts/cairn.mjs', import.meta.url));

interface Subject {
  readonly name: string;
  readonly guest: ConsoleProcess;
  readonly seconds: Map<string, number[]>;
}

function start(name: string, ...extra: string[]): Subject {
  return { name, guest: emulators['cairn']!({ memoryMiB: 512, home, name, append: 'quiet', extra }), seconds: new Map() };
}

async function timed({ guest, seconds }: Subject, what: string, act: () => Promise<unknown>): Promise<void> {
  const before = processorSeconds(guest.child.pid!);
  await act();
  seconds.set(what, [...(seconds.get(what) ?? []), processorSeconds(guest.child.pid!) - before]);
}

const subjects = [start('without'), start('with', '--share-memory')];
for (const { guest } of subjects) await guest.waitFor(SHELL);
await sleep(SETTLE_SECONDS * 1000);
for (let round = 0; round < rounds; round++) {
  for (const [what, command] of Object.entries(WORK)) {
    for (const subject of subjects) {
      await timed(subject, what, () => {
        subject.guest.passAll();
        subject.guest.type(`${command}; echo "@@"done"@@"\n`);
        return subject.guest.waitFor(/@@done@@/);
      });
    }
  }
}
await sleep(SETTLE_SECONDS * 1000);
await Promise.all(subjects.map(subject => timed(subject, 'at the prompt', () => sleep(IDLE_SECONDS * 1000))));

for (const { name, guest, seconds } of subjects) {
  const { savedMiB = 0 } = JSON.parse(
    execFileSync(process.execPath, [cairn, 'vm', 'show', name, '--json'], { env: { ...process.env, CAIRN_HOME: home }, encoding: 'utf8' }),
  ) as { savedMiB?: number };
  console.log(`${name} sharing: ${savedMiB.toFixed(1)} MiB saved at the prompt`);
  for (const [what, values] of seconds) {
    if (what === 'at the prompt') console.log(`  ${what.padEnd(20)} ${((100 * values[0]!) / IDLE_SECONDS).toFixed(2)} % of a core`);
    else
      console.log(
        `  ${what.padEnd(20)} ${median(values).toFixed(2)} s of processor time (${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)})`,
      );
  }
  await guest.kill();
}
rmSync(home, { recursive: true, force: true });
