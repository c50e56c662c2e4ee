/** Several disks go back to a checkpoint together, or none does: whatever fails, and whenever the host dies. */
import { describe, expect, test } from 'vitest';
import { ConfigError, StorageError } from '#engine/errors/errors.ts';
import { crashEverywhere } from '#test/support/disk-crash.ts';
import { expectNoneOpen, graphHost, readState } from '#test/support/disk-graph-model.ts';
import { contents, expectClean } from '#test/support/disk-model.ts';
import { MemoryFiles, type AfterCrash } from '#test/support/memory-files.ts';
import { Adoption, completeAdoption } from './adoption.ts';
import { createBlankDisk } from './create.ts';
import type { LayerId } from './descriptor.ts';
import { DiskFolder } from './disk-folder.ts';
import { VirtualDiskFiles } from './virtual-disk-files.ts';

const FOLDER = '/vm/disks';
const RECORD = `${FOLDER}/revert.json`;
const CRASHES: readonly AfterCrash[] = ['lost', 'kept', 'torn', { seed: 5 }];
/** The first byte of every disk at the checkpoint, and before the revert. */
const [THEN, NOW] = [1, 2];

const foldersOf = (files: MemoryFiles, count: number, firstId: number): DiskFolder[] => {
  const host = graphHost(files, firstId);
  return Array.from({ length: count }, (_, number) => new DiskFolder(host, FOLDER, `disk${number}`));
};

/** The disks of a VM that has taken a checkpoint and run on. Answers the states that the checkpoint points to. */
function prepare(files: MemoryFiles, count: number): LayerId[] {
  return foldersOf(files, count, 1).map(folder => {
    createBlankDisk(folder, 16_384, { clusterBytes: 4096 });
    const disk = new VirtualDiskFiles(folder);
    disk.top.write(0, Uint8Array.of(THEN));
    disk.prepareCow();
    disk.switchToCow();
    const state = disk.seal()!;
    disk.letGo(state);
    disk.top.write(0, Uint8Array.of(NOW));
    disk.close();
    return state;
  });
}

class Session {
  readonly disks: readonly VirtualDiskFiles[];
  readonly adoption: Adoption;
  private readonly states: readonly LayerId[];

  constructor(files: MemoryFiles, states: readonly LayerId[]) {
    this.states = states;
    this.disks = foldersOf(files, states.length, 0x100).map(folder => new VirtualDiskFiles(folder));
    this.adoption = new Adoption(this.disks);
  }

  goBack(): void {
    for (const [number, disk] of this.disks.entries()) disk.startBranch(this.states[number]!);
    this.adoption.adopt();
  }

  /** What the guest reads, which must be of one instant. */
  get sees(): number {
    return expectSame(this.disks.map(({ top }) => contents(top)[0]!));
  }

  /** A guest writes, and is told that it is durable. */
  use(): void {
    for (const disk of this.disks) disk.top.write(512, Uint8Array.of(9));
    for (const disk of this.disks) disk.flush();
  }

  close(): void {
    for (const disk of this.disks) disk.dropBranch();
    for (const disk of this.disks) disk.close();
  }
}

function expectSame(values: readonly number[]): number {
  expect(values).toEqual(values.map(() => values[0]));
  return values[0]!;
}

/** What who opens the folder next finds. */
function found(files: MemoryFiles, count: number): { readonly sees: number; readonly used: boolean } {
  const folders = foldersOf(files, count, 0x1000);
  completeAdoption(folders[0]!.host, FOLDER);
  expect(files.exists(RECORD)).toBe(false);
  const disks = folders.map(folder => {
    const { top } = folder.read();
    if (top !== 'base') expectClean(folder.host, folder.layerPath(top), 'some');
    return readState(folder, top);
  });
  return { sees: expectSame(disks.map(bytes => bytes[0]!)), used: disks.every(bytes => bytes[512] === 9) };
}

describe.each([1, 2, 3])('%i disks', count => {
  const states = prepare(new MemoryFiles(), count);

  test('go back together wherever the host dies; what the guest was told is durable then is', () => {
    const outcomes = new Set<number>();
    crashEverywhere(
      files => void prepare(files, count),
      (files, progress: { isUsed: boolean }) => {
        const session = new Session(files, states);
        session.goBack();
        session.use();
        progress.isUsed = true;
        session.adoption.makeSure();
        session.close();
      },
      () => ({ isUsed: false }),
      (after, { isUsed }) => {
        const { sees, used } = found(after, count);
        outcomes.add(sees);
        if (isUsed) expect([sees, used]).toEqual([THEN, true]);
      },
      CRASHES,
    );
    expect(outcomes).toEqual(new Set([THEN, NOW]));
  });

  test('are completed together wherever the host dies while they are', () => {
    const decided = new MemoryFiles();
    prepare(decided, count);
    new Session(decided, states).goBack();
    const crashes = crashEverywhere(
      files => {
        for (const path of decided.paths()) files.put(path, decided.get(path));
      },
      files => void completeAdoption(graphHost(files), FOLDER),
      () => ({}),
      after => expect(found(after, count).sees).toBe(THEN),
      CRASHES,
    );
    expect(crashes).toBeGreaterThan(count === 1 ? 0 : 5 * count);
  });

  test.each([{ lasting: false }, { lasting: true }])(
    'go back together, or stay, whatever operation fails (lasting: $lasting)',
    ({ lasting }) => {
      const outcomes = new Set<number>();
      for (let n = 0, isPast = false; !isPast; n++) {
        const files = new MemoryFiles();
        prepare(files, count);
        const session = new Session(files, states);
        const { adoption } = session;
        const first = files.operations;
        files.failAt(first + n, { kind: 'error', code: 'DISK_FULL', lasting });
        let failure: unknown;
        try {
          session.goBack();
          isPast = files.operations <= first + n;
        } catch (error) {
          failure = error;
        }
        files.mend();
        const sees = session.sees;
        expect(sees).toBe(failure === undefined ? THEN : NOW);
        if (failure !== undefined) expect(failure).toBeInstanceOf(StorageError);
        // What was decided is: also for who finds the files now. What is undecided becomes so before the guest does anything.
        if (!adoption.isUndecided) for (const how of CRASHES) expect(found(files.afterCrash(how), count).sees).toBe(sees);
        if (adoption.isUndecided) adoption.makeSure();
        session.use();
        for (const how of CRASHES) expect(found(files.afterCrash(how), count)).toEqual({ sees, used: true });
        adoption.makeSure();
        session.close();
        expectNoneOpen(files);
        expect(found(files, count)).toEqual({ sees, used: true });
        outcomes.add(sees);
      }
      expect(outcomes).toEqual(new Set([THEN, NOW]));
    },
  );
});

test('a session that fails to take two disks over leaves them to the one that has them, which takes back what was written', () => {
  for (let n = 0; n < 60; n++) {
    const files = new MemoryFiles();
    const states = prepare(files, 2);
    const old = new Session(files, states);
    const fresh = foldersOf(files, 2, 0x500).map((folder, number) => new VirtualDiskFiles(folder, { branchFrom: states[number]! }));
    files.failAt(files.operations + n, { kind: 'error', code: 'DISK_ERROR', lasting: true });
    let hasFailed = false;
    try {
      new Adoption(fresh).adopt();
    } catch {
      hasFailed = true;
    }
    files.mend();
    for (const disk of fresh) disk[Symbol.dispose]();
    if (!hasFailed) continue;
    for (const how of CRASHES) found(files.afterCrash(how), 2); // before the old one knows of it: whatever is named is there
    old.adoption.takeBack();
    old.use();
    for (const how of CRASHES) expect(found(files.afterCrash(how), 2)).toEqual({ sees: NOW, used: true });
  }
});

test('a session that lets go while storage fails closes every file, and the collector removes its branches', () => {
  const files = new MemoryFiles();
  const states = prepare(files, 2);
  const fresh = foldersOf(files, 2, 0x500).map((folder, number) => new VirtualDiskFiles(folder, { branchFrom: states[number]! }));
  files.failAt(files.operations, { kind: 'error', code: 'DISK_ERROR', lasting: true });
  for (const disk of fresh) disk[Symbol.dispose]();
  files.mend();
  expectNoneOpen(files);
  expect(found(files, 2)).toMatchObject({ sees: NOW });
});

test('a session that has gone back and is to take back what another wrote loses nothing, wherever the host dies', () => {
  let states: LayerId[] = [];
  const crashes = crashEverywhere(
    files => void (states = prepare(files, 2)),
    (files, progress: { isUsed: boolean }) => {
      const session = new Session(files, states);
      session.goBack();
      session.use();
      progress.isUsed = true;
      session.adoption.takeBack(); // there was no other: it was not let to the files before all was settled
      session.close();
    },
    () => ({ isUsed: false }),
    (after, { isUsed }) => {
      const { sees, used } = found(after, 2);
      if (isUsed) expect([sees, used]).toEqual([THEN, true]);
    },
    CRASHES,
  );
  expect(crashes).toBeGreaterThan(100);
});

test.each([
  ['no JSON', '{'],
  ['another version', '{"version":2,"tops":{}}'],
  ['a list', '[]'],
  ['nothing', 'null'],
  ['a path for a disk', `{"version":1,"tops":{"../disk0":"${'a'.repeat(32)}"}}`],
  ['a path for a layer', '{"version":1,"tops":{"disk0":"../../etc/passwd"}}'],
  ['a layer that is not there', `{"version":1,"tops":{"disk0":"${'a'.repeat(32)}"}}`],
])('a record that is %s is refused in words, and nothing is changed', (_, text) => {
  const files = new MemoryFiles();
  prepare(files, 2);
  files.put(RECORD, new TextEncoder().encode(text));
  const before = files.paths().map(path => files.get(path));
  const complete = () => completeAdoption(graphHost(files), FOLDER);
  expect(complete).toThrow(ConfigError);
  expect(complete).toThrow(
    /^\/vm\/disks\/revert\.json is to say where .+ Remove it, and revert to a checkpoint again before the VM is started\.$/,
  );
  expect(files.paths().map(path => files.get(path))).toEqual(before);
});

test('a record of which one layer is not there changes no disk', () => {
  const files = new MemoryFiles();
  const [state] = prepare(files, 2);
  files.put(RECORD, new TextEncoder().encode(JSON.stringify({ version: 1, tops: { disk0: state, disk1: 'a'.repeat(32) } })));
  const tops = () => foldersOf(files, 2, 0x1000).map(folder => folder.read().top);
  const before = tops();
  expect(() => completeAdoption(graphHost(files), FOLDER)).toThrow('the layer aaaaaaaa');
  expect(tops()).toEqual(before);
});
