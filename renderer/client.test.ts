import { expect, test, vi } from 'vitest';
import { dialBridge, RemoteHost, type Link, type LinkEvents } from './client.ts';

function dialled() {
  const sent: string[] = [];
  const states: string[] = [];
  const dials: LinkEvents[] = [];
  const link: Link = { sendText: text => sent.push(text), sendBinary: () => {}, close: () => {} };
  const host = new RemoteHost(
    events => {
      dials.push(events);
      return link;
    },
    state => states.push(state),
  );
  host.connect();
  return { host, sent, states, dials, open: () => dials.at(-1)!.opened(link) };
}

test('answers reach their question, whatever their order; errors keep their code', async () => {
  const { host, sent, dials, open } = dialled();
  open();
  const list = host.request('vm.list', {});
  const show = host.request('vm.show', { name: 'x' });
  const [first, second] = sent.map(text => JSON.parse(text) as { id: number });
  dials[0]!.text(JSON.stringify({ id: second!.id, error: { code: 'NO_SUCH_VM', message: 'no x' } }));
  dials[0]!.text(JSON.stringify({ id: first!.id, result: [] }));
  await expect(list).resolves.toEqual([]);
  await expect(show).rejects.toMatchObject({ code: 'NO_SUCH_VM', message: 'no x' });
});

test('what waits fails when the connection breaks, and it is dialled again', async () => {
  vi.useFakeTimers();
  const { host, states, dials, open } = dialled();
  await expect(host.request('vm.list', {})).rejects.toMatchObject({ code: 'DISCONNECTED' });
  open();
  const waiting = host.request('vm.list', {});
  dials[0]!.lost();
  await expect(waiting).rejects.toMatchObject({ code: 'DISCONNECTED' });
  vi.advanceTimersByTime(250);
  expect(dials).toHaveLength(2);
  dials[1]!.lost();
  host.reconnectNow();
  expect(dials).toHaveLength(3);
  open();
  expect(states).toEqual(['open', 'lost', 'lost', 'open']);
  host.close();
  dials[2]!.lost();
  vi.advanceTimersByTime(60_000);
  expect(dials).toHaveLength(3);
  vi.useRealTimers();
});

test('what arrives through the bridge is acknowledged', async () => {
  const { port1, port2 } = new MessageChannel();
  const texts: string[] = [];
  const events: LinkEvents = { opened: () => {}, text: text => void texts.push(text), binary: () => {}, lost: () => {} };
  dialBridge({ connect: () => {} }, () => Promise.resolve(port2))(events);
  const acknowledged: unknown[] = [];
  const all = new Promise<void>(resolve => {
    port1.addEventListener('message', ({ data }) => {
      acknowledged.push(data);
      if (acknowledged.length === 2) resolve();
    });
  });
  port1.start();
  port1.postMessage('four');
  port1.postMessage(new Uint8Array(10));
  await all;
  expect([texts, acknowledged]).toEqual([['four'], [4, 14]]);
  port1.close();
});
