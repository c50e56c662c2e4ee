/**
 * npm run bench checkpoint [MIB…]: a guest that keeps dirtying memory and prints a line for each pass; the longest gap between lines while a
 * checkpoint is taken, beside the longest gap before it, and the pause that the emulator itself reports. Cairn, QEMU's savevm and v86's save_state.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { HostService } from '#main/host-service.ts';
import type { ConsoleProcess } from '../support/console-process.ts';
import { emulators, median, SHELL } from './guest.ts';

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [512, 2048];
const HOT_MIB = 32;
const TIMES = 5;
const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

/** When each line of the dirty program arrived, in host milliseconds. */
function beatsOf(guest: ConsoleProcess): number[] {
  const beats: number[] = [];
  guest.child.stdout.on('data', (chunk: Buffer) => {
    if (chunk.includes('\n')) beats.push(performance.now());
  });
  return beats;
}
function longestGap(beats: readonly number[], from: number, to: number): number {
  const inside = beats.filter(beat => beat >= from && beat <= to);
  return Math.max(0, ...inside.slice(1).map((beat, index) => beat - inside[index]!));
}

interface Row {
  readonly emulator: string;
  readonly memoryMiB: number;
  readonly idleGapMs: number;
  readonly gapMs: number;
  readonly ownPauseMs: number;
  readonly totalMs: number;
  readonly mib: number;
}

/** Fills a third of the guest's memory with random bytes, starts the dirty program, then takes TIMES checkpoints. */
async function measure(
  emulator: string,
  memoryMiB: number,
  guest: ConsoleProcess,
  take: () => Promise<{ ownPauseMs: number; mib: number }>,
): Promise<Row> {
  await guest.waitFor(SHELL);
  guest.type(
    `dd if=/dev/urandom of=/tmp/seed bs=1M count=8 2>/dev/null; i=0; while [ $i -lt ${Math.floor(memoryMiB / 24)} ]; do cat /tmp/seed >>/tmp/fill; i=$((i+1)); done; echo fill''ed\n`,
  );
  await guest.waitFor(/filled/);
  guest.type(`dirty ${HOT_MIB}\n`);
  await guest.waitFor(/^\d{10}\r?\n/m);
  const beats = beatsOf(guest);
  const idle: number[] = [];
  const gaps: number[] = [];
  const pauses: number[] = [];
  const totals: number[] = [];
  let mib = 0;
  for (let time = 0; time < TIMES; time++) {
    const calm = performance.now();
    await sleep(2000);
    const begin = performance.now();
    const result = await take();
    const end = performance.now();
    await sleep(500);
    idle.push(longestGap(beats, calm, begin));
    gaps.push(longestGap(beats, begin - 50, end + 400));
    pauses.push(result.ownPauseMs);
    totals.push(end - begin);
    mib ||= result.mib;
  }
  await guest.kill();
  return { emulator, memoryMiB, idleGapMs: median(idle), gapMs: median(gaps), ownPauseMs: median(pauses), totalMs: median(totals), mib };
}

async function measureCairn(memoryMiB: number, folder: string): Promise<Row> {
  const guest = emulators['cairn']!({ memoryMiB, home: folder, name: 'bench' });
  const service = new HostService({ libraryPath: folder, version: 'bench' }); // over the owner's socket, as the QEMU monitor is
  const client = service.connect();
  try {
    return await measure('cairn', memoryMiB, guest, async () => {
      const taken = await client.request('checkpoint.take', { name: 'bench', title: 'bench' });
      return { ownPauseMs: taken.pauseMs, mib: taken.bytesWritten / 2 ** 20 };
    });
  } finally {
    await service.close();
  }
}

async function measureQemu(memoryMiB: number, folder: string): Promise<Row> {
  const image = path.join(folder, 'state.qcow2');
  const socket = path.join(folder, 'monitor');
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', image, '8G']);
  const extra = ['-drive', `file=${image},if=none,id=d`, '-monitor', `unix:${socket},server=on,wait=off`];
  const guest = emulators['qemu']!({ memoryMiB, extra });
  const { connect } = await import('node:net');
  let number = 0;
  return measure('qemu savevm', memoryMiB, guest, async () => {
    const monitor = connect(socket);
    let text = '';
    monitor.on('data', chunk => (text += chunk.toString()));
    const prompt = async (count: number) => {
      while (text.split('(qemu) ').length <= count) await sleep(1);
    };
    await prompt(1);
    const begin = performance.now();
    monitor.write(`savevm s${++number}\n`);
    await prompt(2);
    const pause = performance.now() - begin; // savevm stops the guest from its beginning to its end
    monitor.destroy();
    return { ownPauseMs: pause, mib: statSync(image).blocks / 2048 };
  });
}

async function measureV86(memoryMiB: number): Promise<Row> {
  const guest = emulators['v86']!({ memoryMiB });
  return measure('v86 save_state', memoryMiB, guest, async () => {
    guest.child.kill('SIGUSR2');
    const [, pause, bytes] = await guest.waitFor(/@@SAVED (\S+) (\d+)/);
    return { ownPauseMs: Number(pause), mib: Number(bytes) / 2 ** 20 };
  });
}

console.log(
  `${'emulator'.padEnd(16)}${['memory', 'gap before', 'gap during', 'own pause', 'total', 'written'].map(name => name.padStart(12)).join('')}   (ms; MiB; medians of ${TIMES})`,
);
for (const memoryMiB of sizes) {
  for (const runner of [measureCairn, measureQemu, measureV86]) {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'cairn-bench-'));
    try {
      const row = await runner(memoryMiB, folder);
      console.log(
        `${row.emulator.padEnd(16)}${String(row.memoryMiB).padStart(12)}${[row.idleGapMs, row.gapMs, row.ownPauseMs, row.totalMs, row.mib].map(value => value.toFixed(2).padStart(12)).join('')}`,
      );
    } catch (error) {
      console.log(`${runner.name} at ${memoryMiB} MiB: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
    }
    rmSync(folder, { recursive: true, force: true });
  }
}
