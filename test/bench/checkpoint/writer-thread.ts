/** Compresses and writes page groups at the pace of a checkpoint, for as long as it is told to (writer.ts). */
import { randomFillSync } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { GROUP_PAGES } from '#engine/checkpoint/format/layout.ts';
import { Pace } from '#engine/checkpoint/pace.ts';
import { PAGE_SIZE } from '#engine/memory/layout.ts';
import { hostClock } from '#worker/host-clock.ts';
import { nodeCodec } from '#worker/node-codec.ts';

const file = openSync(workerData as string, 'w');
const group = randomFillSync(new Uint8Array(GROUP_PAGES * PAGE_SIZE));

parentPort!.on('message', async (ms: number) => {
  const end = performance.now() + ms;
  const pace = new Pace(hostClock);
  while (performance.now() < end) {
    writeSync(file, nodeCodec.compress(group), 0, undefined, 0);
    await pace.unitDone();
  }
  parentPort!.postMessage('done');
});
