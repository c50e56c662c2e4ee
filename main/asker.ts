/** Who asked for what is being done: work that waits for its turn is not begun for somebody who has gone meanwhile. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { IpcError } from '#engine/errors/errors.ts';

export interface Asker {
  readonly hasGone: boolean;
}

const asking = new AsyncLocalStorage<Asker | undefined>();

export function askedBy<T>(asker: Asker, work: () => T): T {
  return asking.run(asker, work);
}

/** What outlives the request during which it is begun. */
export function askedByNobody<T>(work: () => T): T {
  return asking.run(undefined, work);
}

/**
 * `work`, for when its turn has come. Throws IpcError ASKER_GONE, and begins nothing, when whoever asks for it now has gone by then. What it begins may outlive the request,
 * and is nobody's.
 */
export function ifStillAsked<T>(work: () => Promise<T>): () => Promise<T> {
  const asker = asking.getStore();
  if (asker === undefined) return work;
  return async () => {
    await hearThatTheyLeft();
    if (asker.hasGone) throw new IpcError('ASKER_GONE', 'whoever asked for this has gone: it was not begun.');
    return askedByNobody(work);
  };
}

/** A process that was stopped, or busy, finds a request and the end of its connection together: both are read before the request is believed. */
export async function hearThatTheyLeft(): Promise<void> {
  await nextTurn();
  await nextTurn();
}
