import { EventEmitter } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect, test } from 'vitest';
import type { CheckpointOrder } from '#worker/checkpoint-protocol.ts';
import type { Thread } from '#worker/thread.ts';
import { WorldCheckpoints } from './world-checkpoints.ts';

test('what is asked of a checkpoint worker that has ended is refused, not waited for', async () => {
  const worker = Object.assign(new EventEmitter(), { postMessage: () => {} });
  const thread = { begin: () => worker } as unknown as Thread;
  const { port1, port2 } = new MessageChannel();
  const checkpoints = new WorldCheckpoints(thread, new SharedArrayBuffer(8), 0, port1);
  worker.emit('error', new Error('out of memory'));
  worker.emit('exit', 1);
  const order = { id: 'a', title: 'one' } as CheckpointOrder;
  await expect(checkpoints.expect(order, () => {})).rejects.toThrow('“one” was not taken: out of memory');
  await expect(checkpoints.eliminate('/x', ['a'])).rejects.toThrow('out of memory');
  await checkpoints.finish();
  port2.close();
});
