import { expect, test } from 'vitest';
import { AcknowledgedPort } from './acknowledged-port.ts';

test('what the far end has not taken is its backlog; what it says is not believed when it cannot be', () => {
  const port = new AcknowledgedPort(() => {});
  port.sendText('four');
  void port.sendBinary(new Uint8Array(6));
  expect(port.bufferedBytes()).toBe(10);
  expect(port.acknowledge(4)).toBe(true);
  expect([3, 11, -1, 4.5, Number.NaN, Number.POSITIVE_INFINITY].map(total => port.acknowledge(total))).toEqual(Array(6).fill(false));
  expect(port.bufferedBytes()).toBe(6);
});

test('who sends console output waits for a far end that is behind, and no longer than the port lasts', async () => {
  const port = new AcknowledgedPort(() => {});
  expect(port.sendBinary(new Uint8Array(1000))).toBeUndefined();
  let drained = false;
  const drain = Promise.resolve(port.sendBinary(new Uint8Array(1 << 20))).then(() => (drained = true));
  port.acknowledge(1000);
  await Promise.resolve();
  expect(drained).toBe(false);
  port.acknowledge(1001);
  await drain;
  const left = port.sendBinary(new Uint8Array(1 << 20));
  port.letGo();
  await left;
});
