import { expect, test } from 'vitest';
import { Doorbell } from './doorbell.ts';
import { Outbox } from './outbox.ts';
import { EVENT_REVERT, EVENT_SERIAL_OUT, EVENT_STATE } from './protocol.ts';
import { RING_HEADER_SIZE, RingReader, RingWriter } from './ring.ts';

const SIZE = RING_HEADER_SIZE + 64;

function outboxWith() {
  const buffer = new SharedArrayBuffer(64 + 2 * SIZE);
  const bell = new Doorbell(buffer, 0);
  const places = [64, 64 + SIZE].map(offset => ({ buffer, offset, size: SIZE }));
  const [serial, events] = places.map(place => new RingReader(place)) as [RingReader, RingReader];
  const [serialRing, eventRing] = places.map(place => new RingWriter(place)) as [RingWriter, RingWriter];
  const outbox = new Outbox(serialRing, eventRing, bell);
  const say = (text: string) => {
    for (const byte of new TextEncoder().encode(text)) outbox.serialOutput(0, byte);
    outbox.takeSerial();
  };
  return { outbox, serial, events, bell, say };
}

test('events go out in order, also when nobody takes the serial output, which loses nothing and keeps its order', () => {
  const { outbox, serial, events, bell, say } = outboxWith();
  for (const text of ['a'.repeat(40), 'b'.repeat(40)]) say(text);
  outbox.post(EVENT_STATE, Uint8Array.of(1));
  outbox.post(EVENT_REVERT, Uint8Array.of(2));
  expect([outbox.flush(), outbox.flush(), bell.count]).toEqual([false, false, 1]);
  expect([events.read(), events.read(), events.read()].map(event => event && [event.kind, ...event.payload])).toEqual([
    [EVENT_STATE, 1],
    [EVENT_REVERT, 2],
    undefined,
  ]);
  const lengths = [];
  for (let message; (message = serial.read()) !== undefined; outbox.flush()) {
    expect([message.kind, serial.takeSpaceWanted()]).toEqual([EVENT_SERIAL_OUT, lengths.length === 0]);
    lengths.push(new TextDecoder().decode(message.payload.subarray(1)));
  }
  expect(lengths).toEqual(['a'.repeat(40), 'b'.repeat(40)]);
  expect(outbox.flush()).toBe(true);
});
