import { once } from 'node:events';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Thread } from './thread.ts';

let folder: string;
let entry: URL;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-thread-'));
  entry = pathToFileURL(join(folder, 'entry.mjs'));
  const thread = new URL('thread.ts', import.meta.url).href;
  writeFileSync(
    entry,
    `import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
     import { startData } from '${thread}';
     const { shared } = startData();
     const second = receiveMessageOnPort(parentPort).message;
     new Int32Array(shared)[0] = 7;
     parentPort.postMessage(second);`,
  );
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a thread sleeps until it is begun, and loses nothing that is sent after that', async () => {
  const thread = new Thread(entry, 'test');
  const online = once(thread.worker, 'online');
  await online;
  const shared = new SharedArrayBuffer(4);
  const answer = once(thread.worker, 'message');
  // Both are there before the thread looks: it is woken by begin(), and the second is sent in the same turn.
  thread.worker.postMessage({ shared });
  thread.worker.postMessage('second');
  thread.begin({});
  expect((await answer)[0]).toBe('second');
  expect(new Int32Array(shared)[0]).toBe(7);
});

test('one that never begins is ended like any other', async () => {
  const thread = new Thread(entry, 'test');
  await once(thread.worker, 'online');
  expect(await thread.worker.terminate()).toBe(1);
});
