import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, StorageError } from '#engine/errors/errors.ts';
import type { HostFiles } from '#engine/ports/host-files.ts';
import { checkpointName as id, CheckpointRun } from '#test/support/checkpoint-run.ts';
import { FakeVm } from '#test/support/fake-vm.ts';
import { type MemoryFiles, type AfterCrash, type Fault } from '#test/support/memory-files.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { eliminateCheckpoints, tidyEliminated } from './eliminate.ts';
import { inspectPages } from './inspect.ts';
import { restoreCheckpoint } from './restore.ts';
import { CheckpointStore } from './store.ts';

const RAM = 200; // more than three groups
const FOLDER = '/vm/checkpoints';

const vm = await FakeVm.create(RAM);
const other = await FakeVm.create(RAM);
let run: CheckpointRun;
let files: MemoryFiles;
let store: CheckpointStore;
/** What each surviving checkpoint must bring back. */
let instants: CheckpointRun['instants'];

beforeEach(begin);
function begin(): void {
  run = new CheckpointRun(vm);
  ({ files, store, instants } = run);
}

function eliminate(...ids: string[]): void {
  eliminateCheckpoints(store, ids, nodeCodec);
  for (const gone of ids) instants.delete(gone);
}

function expectRestorable(from = store, ids = [...instants.keys()]): void {
  for (const each of ids) {
    other.reset();
    restoreCheckpoint(from, from.pathOf(each), other, nodeCodec);
    expect(other.contents()).toEqual(instants.get(each));
  }
}

const names = () => files.paths().map(path => path.slice(FOLDER.length + 1));
const left = (n: number) => inspectPages(files, store.pagesPathOf(id(n)), nodeCodec, true);

describe('eliminating', () => {
  test('a checkpoint that nobody points to removes its file', async () => {
    await run.threeGenerations();
    eliminate(id(3));
    expect(names()).toEqual(['checkpoint1.ckpt', 'checkpoint2.ckpt']);
    expectRestorable();
  });

  test('one that others point to leaves what they point to, and gives that back when they go', async () => {
    await run.threeGenerations();
    eliminate(id(1));
    expect(names()).toEqual(['checkpoint1.pages', 'checkpoint2.ckpt', 'checkpoint3.ckpt']);
    expect(left(1)).toMatchObject({ groups: 4, groupsLeft: 3 });
    expectRestorable();
    eliminate(id(2));
    expect(names()).toEqual(['checkpoint1.pages', 'checkpoint2.pages', 'checkpoint3.ckpt']);
    expect(left(1)).toMatchObject({ groups: 4, groupsLeft: 2 });
    expect(left(2)).toMatchObject({ groups: 2, groupsLeft: 1 });
    expectRestorable();
    eliminate(id(3));
    expect(names()).toEqual([]);
  });

  test('several at once: what only points among them leaves nothing', async () => {
    await run.threeGenerations();
    eliminate(id(1), id(3), id(2));
    expect(names()).toEqual([]);
  });

  test('one that is not there is refused before anything changes', async () => {
    await run.threeGenerations();
    expect(() => eliminateCheckpoints(store, [id(1), id(9)], nodeCodec)).toThrow(ConfigError);
    expect(names()).toHaveLength(3);
  });

  test('beside a checkpoint that cannot be read keeps everything that it may point to', async () => {
    await run.threeGenerations();
    files.put(store.pathOf(id(3)), files.get(store.pathOf(id(3))).slice(0, -1));
    const whole = files.get(store.pathOf(id(1)));
    instants.delete(id(3));
    eliminate(id(1));
    expect(files.get(store.pagesPathOf(id(1)))).toEqual(whole);
    expectRestorable();
  });

  test('the checkpoint that the VM goes on from: the next one stores anew what has gone, and points to what is left', async () => {
    await run.threeGenerations();
    eliminate(id(3), id(1));
    await run.take(4); // its base is 3
    expect(instants.size).toBe(2);
    const { info } = restoreCheckpoint(store, store.pathOf(id(4)), other, nodeCodec);
    expect(info.pages.pointed).toBeGreaterThan(60);
    expect(info.pages.stored).toBeGreaterThan(60);
    expectRestorable();
  });
});

type Op = { readonly write: readonly number[] } | { readonly take: true } | { readonly eliminate: readonly number[] };
const anyOp: fc.Arbitrary<Op> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ write: fc.array(fc.nat(RAM - 1), { minLength: 1, maxLength: 40, size: 'max' }) }) },
  { weight: 3, arbitrary: fc.constant({ take: true as const }) },
  { weight: 2, arbitrary: fc.record({ eliminate: fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }) }) },
);

test('whatever is taken and eliminated in whatever order: every surviving checkpoint is restored bit for bit, and nothing unneeded is left', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyOp, { minLength: 4, maxLength: 24, size: 'max' }), async ops => {
      begin();
      for (let index = 0; index < RAM; index += 3) vm.write(index, index + 1);
      let taken = 0;
      for (const [stamp, op] of ops.entries()) {
        if ('write' in op) for (const index of op.write) vm.write(index, (stamp + 1) * 1000 + index);
        else if ('take' in op) await run.take(++taken);
        else {
          const alive = [...instants.keys()];
          if (alive.length > 0) eliminate(...new Set(op.eliminate.map(n => alive[n % alive.length]!)));
        }
        expectRestorable();
      }
      expect(store.list()).toEqual([...instants.keys()].toSorted());
      eliminate(...instants.keys());
      expect(names()).toEqual([]);
    }),
    { numRuns: 40 },
  );
});

describe('on a disk that is full', () => {
  /** Nothing can be created; names can be changed and removed. */
  function full(): HostFiles {
    const refuse = (path: string): never => {
      throw new StorageError('DISK_FULL', `${path} cannot be written: the disk is full: make room and try again.`);
    };
    return Object.assign(Object.create(files) as HostFiles, { createExclusive: refuse });
  }

  test('what others point to stays whole under its other name, and is cut down once there is room', async () => {
    await run.threeGenerations();
    const whole = files.get(store.pathOf(id(1)));
    eliminateCheckpoints(new CheckpointStore(full(), FOLDER), [id(1)], nodeCodec);
    instants.delete(id(1));
    expect(files.get(store.pagesPathOf(id(1)))).toEqual(whole);
    expectRestorable();
    eliminateCheckpoints(new CheckpointStore(full(), FOLDER), [id(2)], nodeCodec);
    instants.delete(id(2));
    expectRestorable();
    tidyEliminated(store, nodeCodec);
    expect(left(1)).toMatchObject({ groups: 4, groupsLeft: 2 });
    expectRestorable();
    eliminateCheckpoints(new CheckpointStore(full(), FOLDER), [id(3)], nodeCodec);
    expect(names()).toEqual([]);
  });
});

describe('failure', () => {
  /** Does `run` with the nth operation failing, for every n, each time on a copy of the disk as it is. */
  function atEveryOperation(fault: Fault, run: (disk: MemoryFiles) => void, check: (disk: MemoryFiles) => void): void {
    const snapshot = files.afterCrash('kept');
    const whole = snapshot.afterCrash('kept');
    run(whole);
    expect(whole.operations).toBeGreaterThan(5);
    for (let nth = 0; nth < whole.operations; nth++) {
      const disk = snapshot.afterCrash('kept');
      disk.failAt(nth, fault);
      try {
        run(disk);
      } catch (error) {
        if (fault.kind === 'error') expect(error).toBeInstanceOf(StorageError);
      }
      disk.mend();
      check(disk);
    }
  }

  test.each(['lost', 'kept', { seed: 7 }] satisfies AfterCrash[])(
    'of the host at any operation: every checkpoint that is there is restored, and tidying leaves nothing unneeded (%s)',
    async how => {
      await run.threeGenerations();
      for (const gone of [[id(1)], [id(1), id(3)]]) {
        atEveryOperation(
          { kind: 'crash' },
          disk => eliminateCheckpoints(new CheckpointStore(disk, FOLDER), gone, nodeCodec),
          disk => {
            const found = disk.afterCrash(how);
            const after = new CheckpointStore(found, FOLDER);
            after.removeUnfinished();
            const alive = after.list();
            expect(alive).toEqual(expect.arrayContaining([1, 2, 3].map(id).filter(each => !gone.includes(each))));
            expectRestorable(after, alive);
            tidyEliminated(after, nodeCodec);
            expectRestorable(after, alive);
            if (!alive.includes(id(1))) expect(found.get(after.pagesPathOf(id(1))).some(byte => byte !== 0)).toBe(true);
          },
        );
      }
    },
  );

  test('of any one file operation harms no other checkpoint and leaves nothing open', async () => {
    await run.threeGenerations();
    atEveryOperation(
      { kind: 'error', code: 'DISK_FULL', lasting: false },
      disk => eliminateCheckpoints(new CheckpointStore(disk, FOLDER), [id(2), id(1)], nodeCodec),
      disk => {
        expect(disk.open).toBe(0);
        const after = new CheckpointStore(disk, FOLDER);
        after.removeUnfinished();
        expectRestorable(after, after.list());
        expect(after.list()).toContain(id(3));
      },
    );
  });
});
