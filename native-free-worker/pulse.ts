/**
 * The thread that shows that a process gets cycles: whoever connects to its socket is sent one byte. The main thread may be busy for long, and answers then all the same in the end; a
 * process that is stopped or frozen lets others connect (the kernel does that) and sends nothing.
 */
import { createServer } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

const server = createServer(socket => {
  socket.on('error', () => socket.destroy());
  socket.end(Uint8Array.of(1));
});
server.once('error', error => {
  throw error;
});
server.listen(workerData as string, () => parentPort!.postMessage('listening'));
