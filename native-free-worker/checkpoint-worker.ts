/** Entry of a world's checkpoint worker: streams original pages to checkpoint files while the VM runs. */
import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { CheckpointJobQueue } from './checkpoint-job-queue.ts';
import type { CheckpointCommand, CheckpointJob, CheckpointWorkerData } from './checkpoint-protocol.ts';
import { hostClock } from './host-clock.ts';
import { storedFiles } from './stored-files.ts';
import { vcpuDoorbell } from './world-block.ts';
import { startData } from './thread.ts';

const { memory, ramBytes, vcpu, sharePagesPerSecond } = startData<CheckpointWorkerData>();
const kernel = parentPort!;
const bell = vcpuDoorbell(memory);
const queue = new CheckpointJobQueue({
  memory,
  ramBytes,
  files: storedFiles,
  clock: hostClock,
  vcpu,
  ringVcpu: () => bell.ring(),
  toKernel: event => kernel.postMessage(event),
  sharePagesPerSecond,
});
vcpu.on('message', (job: CheckpointJob) => queue.add(job));
kernel.on('message', (command: CheckpointCommand) => {
  // What the vcpu sent before it told the kernel comes before what the kernel wants then.
  for (let late; (late = receiveMessageOnPort(vcpu)) !== undefined;) queue.add((late as { message: CheckpointJob }).message);
  if (command.kind === 'eliminate') return queue.eliminate(command);
  if (command.kind !== 'finish') return queue.settleDisks(command);
  void queue.finish().then(() => {
    vcpu.close();
    kernel.close();
  });
});
