/** A real second thread for ring.test.ts: writes messages of the given lengths, waiting for space as the vcpu does. */
import { workerData } from 'node:worker_threads';
import { Doorbell } from '../doorbell.ts';
import { RingWriter } from '../ring.ts';
import { messageBytes } from './ring-messages.ts';

const { buffer, size, lengths } = workerData as { buffer: SharedArrayBuffer; size: number; lengths: number[] };
const writer = new RingWriter({ buffer, offset: 64, size });
const readerBell = new Doorbell(buffer, 0);
const ownBell = new Doorbell(buffer, 4);
const waiting = lengths.map((length, i) => ({ kind: i & 0xff, payload: messageBytes(i, length) }));
while (waiting.length > 0) {
  const seen = ownBell.count;
  if (writer.writeFrom(waiting)) readerBell.ring();
  if (waiting.length > 0) ownBell.sleep(seen);
}
