/** How long the guest stands still (METHOD.md 804 to 814), by memory size, with the guest idle, writing to memory, and writing to its disk, too. */
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile, Table } from './figures.ts';
import { ALL, CAIRN, each, type Subject } from './subjects.ts';
import { fillGuest, HOT_MIB, loadDisk, stopDisk, Work, WORKS } from './work.ts';

/** What a peer's hundreds of milliseconds take to be told from Cairn's. */
const PEER_TIMES = 3;
/** Between two checkpoints. */
const REST_MS = 150;

interface Sample {
  readonly pauseMs: number;
  /** Between two lines of the guest as the host sees them, around the request; in as long a time before it. */
  readonly gapMs: number;
  readonly gapBeforeMs: number;
}

async function sample(subject: Subject, work: Work | undefined): Promise<Sample> {
  const calm = performance.now();
  await sleep(REST_MS);
  const begin = performance.now();
  const { pauseMs, totalMs } = await subject.take();
  await sleep(REST_MS / 2);
  const end = performance.now();
  // The peers' pauses are as long as what they write takes: the gap is looked for in all of that.
  return {
    pauseMs,
    gapMs: work?.longestGapMs(begin - 20, Math.max(end, begin + totalMs + REST_MS)) ?? Number.NaN,
    gapBeforeMs: work?.longestGapMs(calm, begin) ?? Number.NaN,
  };
}

export async function pausePart(sizes: readonly number[], times: number): Promise<void> {
  console.log(
    `ms; ${times} checkpoints a row (peers: ${PEER_TIMES}), a third of memory noise, dirty: ${HOT_MIB} MiB are written again and again, gap: between two lines as the host sees them\n`,
  );
  const table = new Table(
    ...['emulator', 'MiB', 'guest', 'disk', 'first', 'minimum', 'median', 'p99', 'maximum', 'gap before', 'gap (median)', 'gap (maximum)'],
  );
  for (const memoryMiB of sizes) {
    await each(ALL, memoryMiB, async (kind, subject) => {
      await fillGuest(subject.guest, memoryMiB);
      const first = await sample(subject, undefined);
      let firstMs: number | undefined = first.pauseMs;
      for (const disk of kind.hasDisk ? [false, true] : [false]) {
        if (disk) await loadDisk(subject.guest);
        for (const dirty of [false, true]) {
          const work = dirty ? await Work.begin(subject.guest, WORKS.dirty) : undefined;
          const samples: Sample[] = [];
          for (let time = 0; time < (kind === CAIRN ? times : PEER_TIMES); time++) samples.push(await sample(subject, work));
          await work?.stop();
          const pauses = samples.map(({ pauseMs }) => pauseMs);
          const gaps = samples.map(({ gapMs }) => gapMs);
          table.row(
            ...[kind.name, String(memoryMiB), dirty ? 'dirty' : 'idle', disk ? 'loaded' : 'quiet', firstMs],
            ...[0, 0.5, 0.99, 1].map(share => quantile(pauses, share)),
            ...[
              quantile(
                samples.map(({ gapBeforeMs }) => gapBeforeMs),
                0.5,
              ),
              quantile(gaps, 0.5),
              quantile(gaps, 1),
            ],
          );
          firstMs = undefined;
        }
        if (disk) await stopDisk(subject.guest);
      }
    });
  }
}
