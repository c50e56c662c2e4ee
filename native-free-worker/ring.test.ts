import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Doorbell } from './doorbell.ts';
import { RING_HEADER_SIZE, RingReader, RingWriter } from './ring.ts';
import { messageBytes } from './testing/ring-messages.ts';

const ring = (data: number) => {
  const place = { buffer: new SharedArrayBuffer(RING_HEADER_SIZE + data), offset: 0, size: RING_HEADER_SIZE + data };
  return { place, writer: new RingWriter(place), reader: new RingReader(place) };
};

const attempt = (write: () => boolean) => {
  try {
    return write();
  } catch {
    return 'refused';
  }
};

describe('a ring', () => {
  test('behaves as a bounded queue under any sequence of writes and reads', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 8, max: 80 }),
        fc.array(fc.oneof(fc.constant('read' as const), fc.uint8Array({ maxLength: 40 })), { maxLength: 200 }),
        (size, steps) => {
          const { writer, reader } = ring(size);
          const model: Uint8Array[] = [];
          for (const step of steps) {
            const used = model.reduce((sum, message) => sum + message.length + 5, 0);
            const room = size - 1 - used - 5;
            expect(writer.room).toBe(room);
            expect(step === 'read' ? reader.read()?.payload : attempt(() => writer.write(1, step))).toEqual(
              step === 'read' ? model[0] : step.length > size - 6 ? 'refused' : step.length <= room,
            );
            if (step === 'read') model.shift();
            else if (step.length <= room) model.push(step);
            expect(reader.empty).toBe(model.length === 0);
          }
        },
      ),
    );
  });

  test('carries messages between threads in order, through a ring far smaller than they are together', async () => {
    const lengths = Array.from({ length: 3000 }, (_, i) => (i * 37) % 190);
    const size = RING_HEADER_SIZE + 256;
    const buffer = new SharedArrayBuffer(64 + size);
    const reader = new RingReader({ buffer, offset: 64, size });
    const ownBell = new Doorbell(buffer, 0);
    const writerBell = new Doorbell(buffer, 4);
    const worker = new Worker(new URL('./testing/ring-writer-thread.ts', import.meta.url), { workerData: { buffer, size, lengths } });
    const exited = new Promise(resolve => worker.once('exit', resolve));
    for (let i = 0; i < lengths.length;) {
      const seen = ownBell.count;
      const message = reader.read();
      if (reader.takeSpaceWanted()) writerBell.ring();
      if (message === undefined) {
        await ownBell.rung(seen);
        continue;
      }
      expect(message.kind).toBe(i & 0xff);
      expect(message.payload).toEqual(messageBytes(i, lengths[i]!));
      i++;
    }
    expect(await exited).toBe(0);
    expect(reader.empty).toBe(true);
  });

  test.each([
    ['a head outside the ring', (words: Int32Array) => (words[0] = 1 << 20)],
    ['a negative tail', (words: Int32Array) => (words[1] = -1)],
    ['a message longer than what was written', (words: Int32Array) => (words[RING_HEADER_SIZE / 4] = 9999)],
    ['an empty length', (words: Int32Array) => (words[RING_HEADER_SIZE / 4] = 0)],
  ])('refuses %s', (_, damage) => {
    const { place, writer, reader } = ring(128);
    writer.write(1, new Uint8Array(10));
    damage(new Int32Array(place.buffer));
    expect(() => reader.read()).toThrow('damaged');
  });
});
