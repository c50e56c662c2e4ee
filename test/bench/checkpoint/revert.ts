/**
 * Going back to a checkpoint of a VM that runs, as its user sees it: from the request to the guest's first line, and to work as fast as before. Lines are
 * numbered by the guest, so the first of the past is the first with a smaller number.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile, Table } from './figures.ts';
import { CAIRN, each, SAVEVM, V86, type Subject } from './subjects.ts';
import { fillGuest, HOT_MIB, Work, WORKS } from './work.ts';

const AHEAD_MS = 1500;
const AFTER_MS = 3000;
const WINDOW_MS = 100;
const FULL_SPEED = 0.9;

interface Sample {
  readonly requestMs: number;
  readonly firstLineMs: number;
  readonly fullSpeedMs: number;
}

async function sample(subject: Subject, work: Work): Promise<Sample> {
  await subject.take();
  await sleep(200);
  const calm = performance.now();
  await sleep(AHEAD_MS);
  const begin = performance.now();
  const rate = work.count(calm, begin) / AHEAD_MS;
  const last = work.beats.at(-1)!.number;
  await subject.revert!();
  const requestMs = performance.now() - begin;
  await sleep(AFTER_MS);
  const first = work.beats.find(({ at, number }) => at > begin && number < last);
  if (first === undefined) throw new Error('the guest has not said a word of the past');
  let from = first.at;
  const limit = begin + requestMs + AFTER_MS - WINDOW_MS;
  while (from < limit && work.count(from, from + WINDOW_MS) < FULL_SPEED * rate * WINDOW_MS) from += WINDOW_MS / 10;
  return { requestMs, firstLineMs: first.at - begin, fullSpeedMs: from < limit ? from - begin : Number.NaN };
}

export async function revertPart(sizes: readonly number[], times: number): Promise<void> {
  console.log(
    `ms from the request, medians of ${times}; count: the guest only counts, dirty: it writes ${HOT_MIB} MiB for each line; full speed: the first ${WINDOW_MS} ms (within ${AFTER_MS / 1000} s) with ${FULL_SPEED * 100} % of the lines of before\n`,
  );
  const table = new Table('emulator', 'MiB', 'guest', 'answer', 'first line', 'first line (minimum)', 'full speed');
  for (const memoryMiB of sizes) {
    await each([CAIRN, { ...SAVEVM, name: 'QEMU loadvm' }, { ...V86, name: 'v86 restore_state' }], memoryMiB, async (kind, subject) => {
      await fillGuest(subject.guest, memoryMiB);
      for (const name of ['count', 'dirty'] as const) {
        const work = await Work.begin(subject.guest, WORKS[name]);
        const samples: Sample[] = [];
        for (let time = 0; time < times; time++) samples.push(await sample(subject, work));
        await work.stop();
        const firstLines = samples.map(({ firstLineMs }) => firstLineMs);
        table.row(
          ...[kind.name, String(memoryMiB), name],
          quantile(
            samples.map(({ requestMs }) => requestMs),
            0.5,
          ),
          ...[quantile(firstLines, 0.5), quantile(firstLines, 0)],
          quantile(
            samples.map(({ fullSpeedMs }) => fullSpeedMs),
            0.5,
          ),
        );
      }
    });
  }
}
