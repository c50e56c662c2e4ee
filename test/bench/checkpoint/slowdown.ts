/** How much slower the guest works while a checkpoint is written than just before: pieces of work in a second during / before. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sum, Table } from './figures.ts';
import { ALL, CAIRN, each } from './subjects.ts';
import { fillGuest, HOT_MIB, Work, WORKS } from './work.ts';
import { Writer } from './writer.ts';

const PEER_TIMES = 3;
const REST_MS = 1000;
/** Lines have come by then that were printed before the checkpoint was complete. */
const SETTLE_MS = 100;
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

/** `meanwhile`: answers how long it took. */
async function sample(work: Work, meanwhile: () => Promise<number>): Promise<Sample> {
  const calm = performance.now();
  await sleep(REST_MS);
  const begin = performance.now();
  const ms = await meanwhile();
  const end = begin + ms + SETTLE_MS;
  await sleep(SETTLE_MS);
  const before = { count: work.count(calm, begin), ms: begin - calm };
  // Who passes the lines on may be writing down that there is a checkpoint: what comes a little later was done before.
  const count = work.count(begin, end) - (before.count / before.ms) * SETTLE_MS;
  return { before, during: { count, ms } };
}

/** Over all samples, so that short windows count as much as they are long. */
function ratio(samples: readonly Sample[]): number {
  const rate = (windows: readonly Window[]) => sum(windows.map(({ count }) => count)) / sum(windows.map(({ ms }) => ms));
  return rate(samples.map(({ during }) => during)) / rate(samples.map(({ before }) => before));
}

export async function slowdownPart(sizes: readonly number[], times: number): Promise<void> {
  console.log(
    `pieces of work a second while a checkpoint is written / before; first: everything is written, later: what changed; ${times} later ones (peers: ${PEER_TIMES}); dirty: ${HOT_MIB} MiB; beside a writer: without a checkpoint, while another thread compresses and writes as a checkpoint's does, for as long\n`,
  );
  const columns = ['first', 'written in ms', 'later', 'written in ms (mean)', 'beside a writer', 'before, a second'] as const;
  const table = new Table('emulator', 'MiB', 'guest', ...columns);
  const writer = new Writer();
  for (const memoryMiB of sizes) {
    await each(ALL, memoryMiB, async (kind, subject) => {
      await fillGuest(subject.guest, memoryMiB);
      let first: Sample | undefined;
      for (const name of ['compute', 'dirty'] as const) {
        const work = await Work.begin(subject.guest, WORKS[name]);
        await sleep(WARM_UP_MS);
        const take = async () => (await subject.take()).totalMs;
        const firstHere = (first ??= await sample(work, take));
        const samples: Sample[] = [];
        for (let time = 0; time < (kind === CAIRN ? times : PEER_TIMES); time++) samples.push(await sample(work, take));
        const meanMs = sum(samples.map(({ during }) => during.ms)) / samples.length;
        const beside: Sample[] = [];
        const write = async () => {
          await writer.write(meanMs);
          return meanMs;
        };
        for (let time = 0; time < (kind === CAIRN ? times : 0); time++) beside.push(await sample(work, write));
        await work.stop();
        const before = samples.map(each => each.before);
        table.row(
          ...[kind.name, String(memoryMiB), name],
          ...(name === 'compute' ? [ratio([firstHere]), firstHere.during.ms] : [undefined, undefined]),
          ...[ratio(samples), meanMs, kind === CAIRN ? ratio(beside) : undefined],
          (1000 * sum(before.map(({ count }) => count))) / sum(before.map(({ ms }) => ms)),
        );
      }
    });
  }
  await writer.end();
}
