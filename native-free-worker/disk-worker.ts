/** Entry of a world's disk worker: owns the open files of all disks and executes the guest's operations on them. Also for a VM that is off, without a guest. */
import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { failureOf } from './checkpoint-protocol.ts';
import type { DiskMessage, DiskRequest, DiskSpec, DiskWorkerData, Medium } from './disk-protocol.ts';
import { DiskServer } from './disk-server.ts';
import { DiskWorkerLoop } from './disk-worker-loop.ts';
import { GraphBacking } from './graph-backing.ts';
import { ImageBacking } from './image-backing.ts';
import { NO_DISC } from './no-disc.ts';
import { graphHost } from './node-graph-host.ts';
import { RingReader, RingWriter } from './ring.ts';
import { ServedDisk, type DiskBacking } from './served-disk.ts';
import { diskDoneRing, diskDoorbell, diskSubmitRing, vcpuDoorbell } from './world-block.ts';
import { startData } from './thread.ts';

const { memory, running, disks: specs } = startData<DiskWorkerData>();
const kernel = parentPort!;
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
    bell: diskDoorbell(memory),
    receive: () => (receiveMessageOnPort(kernel) as { message: DiskRequest } | undefined)?.message,
    send,
    openMedium,
  }).run();
}

/** All of them, or none and the kernel hears why. */
function openAll(specs: readonly DiskSpec[]): ServedDisk[] | undefined {
  const opened: ServedDisk[] = [];
  try {
    for (const spec of specs) opened.push(new ServedDisk(spec, openBacking(spec)));
    return opened;
  } catch (error) {
    for (const { backing } of opened) backing[Symbol.dispose]();
    send({ kind: 'refused', failure: failureOf(error) });
    return undefined;
  }
}

function openMedium(medium: Medium): DiskBacking {
  return medium.kind === 'none' ? NO_DISC : new ImageBacking(graphHost, medium);
}

function openBacking({ name, source }: DiskSpec): DiskBacking {
  if (source.kind !== 'graph') return openMedium(source);
  return new GraphBacking(graphHost, source.folder, name, { startAt: source.startAt, running });
}
