/** How much slower the guest works while a checkpoint is written than just before: pieces of work in a second during / before. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sum, Table } from './figures.ts';
import { ALL, CAIRN, each, type Subject } from './subjects.ts';
import { fillGuest, HOT_MIB, Work, WORKS } from './work.ts';

const PEER_TIMES = 3;
const REST_MS = 1000;
/** What has just begun is not at its full speed yet. */
const WARM_UP_MS = 4000;

interface Window {
  readonly count: number;
  readonly ms: number;
}
interface Sample {
  readonly before: Window;
  readonly during: Window;
}

async function sample(subject: Subject, work: Work): Promise<Sample> {
  const calm = performance.now();
  await sleep(REST_MS);
  const begin = performance.now();
  const { totalMs } = await subject.take();
  const end = begin + totalMs;
  await sleep(50); // lines on their way
  const windowOf = (from: number, to: number): Window => ({ count: work.count(from, to), ms: to - from });
  return { before: windowOf(calm, begin), during: windowOf(begin, end) };
}

/** Over all samples, so that short windows count as much as they are long. */
function ratio(samples: readonly Sample[]): number {
  const rate = (windows: readonly Window[]) => sum(windows.map(({ count }) => count)) / sum(windows.map(({ ms }) => ms));
  return rate(samples.map(({ during }) => during)) / rate(samples.map(({ before }) => before));
}

export async function slowdownPart(sizes: readonly number[], times: number): Promise<void> {
  console.log(
    `pieces of work a second while a checkpoint is written / before; first: everything is written, later: what changed; ${times} later ones (peers: ${PEER_TIMES}); dirty: ${HOT_MIB} MiB\n`,
  );
  const table = new Table('emulator', 'MiB', 'guest', 'first', 'written in ms', 'later', 'written in ms (mean)', 'before, a second');
  for (const memoryMiB of sizes) {
    await each(ALL, memoryMiB, async (kind, subject) => {
      await fillGuest(subject.guest, memoryMiB);
      let first: Sample | undefined;
      for (const name of ['compute', 'dirty'] as const) {
        const work = await Work.begin(subject.guest, WORKS[name]);
        await sleep(WARM_UP_MS);
        const firstHere = (first ??= await sample(subject, work));
        const samples: Sample[] = [];
        for (let time = 0; time < (kind === CAIRN ? times : PEER_TIMES); time++) samples.push(await sample(subject, work));
        await work.stop();
        const before = samples.map(each => each.before);
        table.row(
          ...[kind.name, String(memoryMiB), name],
          ...(name === 'compute' ? [ratio([firstHere]), firstHere.during.ms] : [undefined, undefined]),
          ...[ratio(samples), sum(samples.map(({ during }) => during.ms)) / samples.length],
          (1000 * sum(before.map(({ count }) => count))) / sum(before.map(({ ms }) => ms)),
        );
      }
    });
  }
}
