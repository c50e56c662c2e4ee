import { expect, test } from 'vitest';
import {
  DISK_MARKER,
  DONE_HELD,
  decodeCompletion,
  decodeOperation,
  decodeOrder,
  encodeCompletion,
  encodeOperation,
  encodeOrder,
  type RingOperation,
} from './drive-protocol.ts';

const plain = { id: 2 ** 52 + 1, disk: 3, generation: 7, again: false, unmap: false, segments: [], bytes: new Uint8Array() };

test('operations arrive as they were sent', () => {
  const operations: RingOperation[] = [
    { ...plain, kind: 'read', offset: 2 ** 44, length: 8192, segments: [{ address: 0xffff_f000, length: 8192 }] },
    { ...plain, kind: 'read', offset: 512, length: 512, again: true },
    { ...plain, kind: 'write', offset: 0, length: 3, bytes: Uint8Array.of(1, 2, 3) },
    { ...plain, kind: 'write-zeroes', offset: 4096, length: 2 ** 40, unmap: true },
    { ...plain, kind: 'discard', offset: 4096, length: 2 ** 40 },
    { ...plain, kind: 'flush', offset: 0, length: 0 },
  ];
  for (const operation of operations) expect(decodeOperation(encodeOperation(operation))).toEqual(operation);
});

test('orders and completions arrive as they were sent', () => {
  const marker = encodeOrder(DISK_MARKER, 2);
  expect(decodeOperation(marker)).toBeUndefined();
  expect(decodeOrder(marker)).toBe(2);
  const completion = { kind: DONE_HELD, id: 2 ** 50, bytes: Uint8Array.of(9, 8) };
  expect(decodeCompletion(encodeCompletion(completion))).toEqual(completion);
});

test('a message too short for an operation is refused', () => {
  expect(() => decodeOperation({ kind: 0, payload: new Uint8Array(31) })).toThrow('31 bytes');
});
