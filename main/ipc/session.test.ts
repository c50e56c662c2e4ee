import { expect, test } from 'vitest';
import type { Checkpoint, HostClient, Params } from './contract.ts';
import { Session } from './session.ts';
import { MAX_CLIENT_MESSAGE_BYTES } from './wire.ts';

/** A session with a far end that reads when it is told to. */
function begin(answer: (params: Params<'checkpoint.delete'>) => unknown) {
  const far = { texts: [] as string[], unread: 0, closed: undefined as string | undefined };
  let emit: (payload: unknown) => void = () => {};
  const host = {
    request: async (_: string, params: unknown) => answer(params as Params<'checkpoint.delete'>),
    on: (event: string, listener: (payload: unknown) => void) => {
      if (event === 'notice') emit = listener;
      return () => {};
    },
    onFrame: () => () => {},
    sendFrame: () => {},
    close: () => {},
  } as unknown as HostClient;
  const session = new Session(host, {
    sendText: text => {
      far.texts.push(text);
      far.unread += text.length;
    },
    sendBinary: () => {},
    bufferedBytes: () => far.unread,
    close: reason => void (far.closed = reason),
  });
  const notice = (length: number) => emit({ level: 'info', text: 'x'.repeat(length) });
  const ask = (name: string, params: unknown) => session.receiveText(JSON.stringify({ id: 1, name, params }));
  return { far, notice, ask };
}

const list = (count: number) => Array.from({ length: count }, (_, n) => ({ id: `checkpoint${n}`, title: 'x'.repeat(400) }) as Checkpoint);

test.each([10_000, 100_000])(
  'a list of %i checkpoints is answered, and what comes while it is being read does not end the session',
  async count => {
    const { far, notice, ask } = begin(() => list(count));
    await ask('checkpoint.list', { name: 'a' });
    notice(100);
    expect([far.closed, far.texts.length]).toEqual([undefined, 2]);
    expect((JSON.parse(far.texts[0]!) as { result: unknown[] }).result).toHaveLength(count);
    far.unread = 0;
    notice(100);
    notice(20 << 20);
    expect(far.closed).toBeUndefined();
    notice(1);
    expect(far.closed).toBe('the client does not read what it is sent');
  },
);

test('ten thousand checkpoints with the longest ids are deleted at once; more is refused in words, and the session goes on', async () => {
  const { far, ask } = begin(({ ids }) => ids.length);
  const params = (count: number) => ({
    name: 'a'.repeat(64),
    ids: Array.from({ length: count }, (_, n) => String(n).padStart(32, '0')),
    children: false,
    force: false,
  });
  expect(JSON.stringify(params(10_000)).length).toBeLessThan(MAX_CLIENT_MESSAGE_BYTES / 2);
  await ask('checkpoint.delete', params(10_000));
  await ask('checkpoint.delete', params(10_001));
  expect(far.texts.map(text => JSON.parse(text) as unknown)).toEqual([
    { id: 1, result: 10_000 },
    { id: 1, error: { code: 'BAD_REQUEST', message: expect.stringContaining('at most 10000 checkpoints are deleted at once') as string } },
  ]);
  expect(far.closed).toBeUndefined();
});
