import { expect, test } from 'vitest';
import { InvariantError } from '#engine/errors/errors.ts';
import type { DiskMessage, DiskProgress, DiskRequest } from './disk-protocol.ts';
import type { DiskServer } from './disk-server.ts';
import { DiskWorkerLoop } from './disk-worker-loop.ts';

/** Disks whose collectors have so many pieces to do; no guest. */
function loopOver(pieces: Record<string, number>) {
  const left = new Map(Object.entries(pieces));
  const graphs = [...left.keys()].map(name => ({
    name,
    get isCollected(): boolean {
      return left.get(name) === 0;
    },
    get progress(): DiskProgress | undefined {
      return this.isCollected ? undefined : { disk: name, step: 'merge', doneBytes: 1, totalBytes: 2 };
    },
  }));
  const collect = () => {
    const next = graphs.find(({ isCollected }) => !isCollected);
    if (next === undefined) return false;
    left.set(next.name, left.get(next.name)! - 1);
    return true;
  };
  const heard: (readonly [disk: string, step: string | null])[] = [];
  const loop = new DiskWorkerLoop({
    server: { step: () => false, collect, graphs } as unknown as DiskServer,
    bell: { count: 0, ring: () => {}, sleep: () => {} } as never,
    receive: () => undefined,
    openMedium: () => expect.fail('no disc was asked for'),
    send: (message: DiskMessage) => {
      if (message.kind === 'progress') heard.push([message.progress.disk, message.progress.step]);
    },
  });
  return { loop, heard };
}

test('the end of a disk’s collecting is told once, when its beginning was', () => {
  const { loop, heard } = loopOver({ disk0: 20, disk1: 1 });
  while (loop.step());
  loop.step();
  expect(heard.filter(([, step]) => step === null)).toEqual([
    ['disk0', null],
    ['disk1', null],
  ]);
  for (const disk of ['disk0', 'disk1']) expect(heard.findLast(([name]) => name === disk)).toEqual([disk, null]);
  const idle = loopOver({ disk0: 0 });
  while (idle.loop.step());
  expect(idle.heard).toEqual([]);
});

test('a worker that cannot finish ends all the same: a world that ends waits for that', () => {
  const requests: DiskRequest[] = [{ id: 1, kind: 'finish' }];
  const said: DiskMessage[] = [];
  const finish = () => {
    throw new InvariantError('a disk that nobody knows');
  };
  const loop = new DiskWorkerLoop({
    server: { step: () => false, receive: () => {}, collect: () => false, finish, graphs: [] } as unknown as DiskServer,
    bell: { count: 0, ring: () => {}, sleep: () => expect.fail('it sleeps for ever') } as never,
    receive: () => requests.shift(),
    openMedium: () => expect.fail('no disc was asked for'),
    send: message => said.push(message),
  });
  loop.run();
  expect(said).toEqual([{ kind: 'failed', id: 1, failure: expect.objectContaining({ message: 'a disk that nobody knows' }) }]);
});
