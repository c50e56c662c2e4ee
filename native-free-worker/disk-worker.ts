/** Entry of a world's disk worker: owns the open files of all chains and executes the guest's disk operations. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { openDisk, type DiskHost } from '#engine/disk/open.ts';
import { failureOf } from './checkpoint-protocol.ts';
import type { DiskMessage, DiskRequest, DiskSpec, DiskWorkerData } from './disk-protocol.ts';
import { DiskServer } from './disk-server.ts';
import { DiskWorkerLoop } from './disk-worker-loop.ts';
import { nodeDecompressor } from './node-decompressor.ts';
import { nodeFiles } from './node-files.ts';
import { RingReader, RingWriter } from './ring.ts';
import { ServedDisk } from './served-disk.ts';
import { diskDoneRing, diskDoorbell, diskSubmitRing, vcpuDoorbell } from './world-block.ts';

const { memory, disks: specs } = workerData as DiskWorkerData;
const kernel = parentPort!;
const host: DiskHost = { files: nodeFiles, codec: nodeDecompressor };
const send = (message: DiskMessage) => kernel.postMessage(message);

const disks = openAll(specs);
if (disks !== undefined) {
  const server = new DiskServer({
    memory,
    disks,
    submitted: new RingReader(diskSubmitRing(memory)),
    done: new RingWriter(diskDoneRing(memory)),
    vcpuBell: vcpuDoorbell(memory),
    notice: text => send({ kind: 'notice', text }),
  });
  send({ kind: 'opened', disks: disks.map(disk => disk.describe()) });
  new DiskWorkerLoop({
    server,
    host,
    bell: diskDoorbell(memory),
    receive: () => (receiveMessageOnPort(kernel) as { message: DiskRequest } | undefined)?.message,
    send,
  }).run();
}

/** All of them, or none and the kernel hears why. */
function openAll(specs: readonly DiskSpec[]): ServedDisk[] | undefined {
  const opened: ServedDisk[] = [];
  try {
    for (const spec of specs) {
      const { path, format, writable, allow } = spec;
      opened.push(new ServedDisk(spec, openDisk(host, path, { format, writable, allow })));
    }
    return opened;
  } catch (error) {
    for (const disk of opened) disk.top[Symbol.dispose]();
    send({ kind: 'refused', failure: failureOf(error) });
    return undefined;
  }
}
