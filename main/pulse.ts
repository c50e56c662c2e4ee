/** Whether a process that listens gets cycles at all, however busy its main thread is (native-free-worker/pulse.ts). */
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { pulsePathOf } from './socket-folder.ts';

/** Shows this process's pulse beside its socket. */
export async function startPulse(entry: URL, socketPath: string): Promise<Worker> {
  const worker = new Worker(entry, { name: 'pulse', workerData: pulsePathOf(socketPath), resourceLimits: { maxOldGenerationSizeMb: 16 } });
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  worker.on('error', () => {}); // it shows no pulse then, and nothing else is lost
  worker.unref();
  return worker;
}

/** False when the process lets others connect and sends nothing. One that has no pulse to show (it may be ending) is not called frozen: its connections tell. */
export function hasPulse(socketPath: string, patienceMs: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(pulsePathOf(socketPath));
    const settle = (alive: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(alive);
    };
    const timer = setTimeout(() => settle(false), patienceMs);
    socket.once('data', () => settle(true));
    socket.once('end', () => settle(true));
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code !== 'EAGAIN')); // unix(7): its queue of connections is full
  });
}
