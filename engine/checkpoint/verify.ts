/** Whether every checkpoint of a folder can be restored: each byte of its file, and each page group that it points to in others. Changes nothing. */
import { CairnError } from '../errors/errors.ts';
import { PagesReader } from './format/pages-reader.ts';
import { CheckpointReader } from './format/reader.ts';
import type { DiskPointer, PointedFile } from './format/schemas.ts';
import { Needs } from './needs.ts';
import type { Codec } from './ports.ts';
import type { CheckpointStore } from './store.ts';

export interface Finding {
  /** The checkpoint, or the one that a leftover is of. */
  readonly id: string;
  /** `damaged`: it cannot be restored. `leftover`: room that nothing needs. */
  readonly kind: 'damaged' | 'leftover';
  readonly problem: string;
}

export interface Verified {
  readonly id: string;
  readonly findings: readonly Finding[];
  /** The disk layers that it needs besides; none of one that cannot be read. */
  readonly disks: readonly DiskPointer[];
  /** It is encrypted, and no passphrase was given: checksums were compared, nothing was decrypted. */
  readonly isLocked: boolean;
}

/** Goes on a step with each checkpoint: its id and what is wrong with it. At the end come the ids of files that nothing needs. */
export function* verifyCheckpoints(store: CheckpointStore, codec: Codec): Generator<Verified> {
  const groups = new CheckedGroups(store, codec);
  for (const id of store.list()) {
    let seen: Facts = { disks: [], isLocked: false };
    const problem = problemOf(() => (seen = verifyCheckpoint(store, id, codec, groups)));
    // One that was deleted meanwhile is not missed.
    yield { id, ...seen, findings: problem === undefined || !store.has(id) ? [] : [{ id, kind: 'damaged', problem }] };
  }
  const needs = new Needs(store, codec);
  for (const id of store.listPages()) {
    const needed = needs.ofFile(id);
    if (needed === 'all' || needed.size > 0) continue;
    yield {
      id,
      disks: [],
      isLocked: false,
      findings: [{ id, kind: 'leftover', problem: `${store.pagesPathOf(id)} holds pages that no checkpoint points to` }],
    };
  }
}

type Facts = Pick<Verified, 'disks' | 'isLocked'>;

/** Goes on a step with each group of pages, and throws what is wrong with the checkpoint. Of an encrypted one without its passphrase checksums are compared, and nothing is decrypted. */
export function verifyInSteps(store: CheckpointStore, id: string, codec: Codec): Generator<void, Facts> {
  return steps(store, id, codec, new CheckedGroups(store, codec));
}

function* steps(store: CheckpointStore, id: string, codec: Codec, groups: CheckedGroups): Generator<void, Facts> {
  using reader = CheckpointReader.open(store.files, store.pathOf(id), codec);
  yield* reader.verifying();
  groups.add(id, reader);
  const needs = new Needs(store, codec).ofCheckpoint(id);
  for (const file of reader.files) yield* groups.check(file, needs?.get(file.id) ?? new Set());
  return { disks: reader.disks, isLocked: reader.isLocked };
}

function verifyCheckpoint(store: CheckpointStore, id: string, codec: Codec, groups: CheckedGroups): Facts {
  const going = steps(store, id, codec, groups);
  for (;;) {
    const { done, value } = going.next();
    if (done === true) return value;
  }
}

/** Groups that were read already are not read again for the next checkpoint that points to them. */
class CheckedGroups {
  private readonly store: CheckpointStore;
  private readonly codec: Codec;
  private readonly checked = new Map<string, Set<number>>();

  constructor(store: CheckpointStore, codec: Codec) {
    this.store = store;
    this.codec = codec;
  }

  add(id: string, { groups }: PagesReader): void {
    this.checked.set(id, new Set(groups.keys()));
  }

  *check(file: PointedFile, needed: ReadonlySet<number>): Generator<void> {
    const { store } = this;
    const path = store.findPages(file.id);
    if (path === undefined) throw new CairnError('CHECKPOINT_INCOMPLETE', `it needs ${store.pathOf(file.id)}, which is gone`);
    using reader = PagesReader.openPages(store.files, path, this.codec);
    if (reader.commitChecksum !== file.commitChecksum || reader.sizeBytes !== file.sizeBytes || reader.meta.id !== file.id)
      throw new CairnError('CHECKPOINT_INCOMPLETE', `it needs ${path} as it was, and that is another file now`);
    const known = this.checked.get(file.id) ?? new Set<number>();
    this.checked.set(file.id, known);
    for (const group of needed) {
      if (known.has(group)) continue;
      reader.checkGroup(group);
      known.add(group);
      yield;
    }
  }
}

/** A passphrase that is wrong says nothing about a file: it is thrown. */
function problemOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof CairnError && error.code !== 'WRONG_PASSPHRASE') return error.message;
    throw error;
  }
}
