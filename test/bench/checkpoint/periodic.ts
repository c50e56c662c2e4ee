/** What the n-th of many checkpoints of a guest with a steady working set writes, and how long that takes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Table } from './figures.ts';
import { ALL, each, type Taken } from './subjects.ts';
import { fillGuest, HOT_MIB, Work, WORKS } from './work.ts';

const PERIOD_MS = 1000;
const SHOWN = [1, 2, 5, 10, 20, 50];

export async function periodicPart(sizes: readonly number[], times: number): Promise<void> {
  console.log(`a third of memory noise, ${HOT_MIB} MiB written again and again, a checkpoint every ${PERIOD_MS / 1000} s\n`);
  const table = new Table('emulator', 'MiB', 'checkpoint', 'written MiB', 'ms', 'pages stored', 'zero', 'pointed to');
  for (const memoryMiB of sizes) {
    await each(ALL, memoryMiB, async (kind, subject) => {
      await fillGuest(subject.guest, memoryMiB);
      const work = await Work.begin(subject.guest, WORKS.dirty);
      const taken: Taken[] = [];
      for (let n = 0; n < times; n++) {
        taken.push(await subject.take());
        await sleep(PERIOD_MS);
      }
      await work.stop();
      for (const [index, { mib, totalMs, pages }] of taken.entries()) {
        if (!SHOWN.includes(index + 1)) continue;
        const counts = pages ? [pages.stored, pages.zero, pages.pointed].map(String) : [];
        table.row(kind.name, String(memoryMiB), String(index + 1), mib, totalMs, ...counts);
      }
    });
  }
}
