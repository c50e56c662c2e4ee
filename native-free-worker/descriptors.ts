/** How many descriptors this process may have and has. What cannot say that it found none (a thread, a library) is not begun without; sentences instead of what it would say. */
import * as fs from 'node:fs';
import { StorageError } from '#engine/errors/errors.ts';

/** Where /proc does not say how many: as few as any host allows. */
const USUAL_LIMIT = 256;
/** Of a thread: its loop, its wake-ups, and what loading its program takes. */
export const THREAD_DESCRIPTORS = 8;

export const TOO_MANY_WORDS = 'this process may have no more files open (`ulimit -n` says how many): allow it more, and try again';

export function descriptorLimit(): number {
  try {
    const line = /^Max open files\s+(\d+|unlimited)/m.exec(fs.readFileSync('/proc/self/limits', 'latin1'));
    return line === null ? USUAL_LIMIT : line[1] === 'unlimited' ? Infinity : Number(line[1]);
  } catch (error) {
    return isTooMany(error) ? 0 : USUAL_LIMIT;
  }
}

/** How many more can be opened, in about; Infinity where nobody says. */
export function freeDescriptors(): number {
  try {
    return descriptorLimit() - fs.readdirSync('/proc/self/fd').length;
  } catch (error) {
    return isTooMany(error) ? 0 : Infinity;
  }
}

/** Throws StorageError when there are not so many. `what`: “Starting a VM”. */
export function requireDescriptors(count: number, what: string): void {
  const free = freeDescriptors();
  if (free >= count) return;
  throw new StorageError(
    'TOO_MANY_FILES',
    `${what} takes ${count} descriptors, and this process has ${Math.max(0, free)} left of the ${descriptorLimit()} that it may have (\`ulimit -n\`): allow it more, and try again.`,
  );
}

export const isTooMany = (error: unknown): boolean => ['EMFILE', 'ENFILE'].includes((error as NodeJS.ErrnoException | null)?.code ?? '');

/** What was thrown, but that a lack of descriptors that something told in its own way is a StorageError. */
export function knownError(error: unknown): unknown {
  const { message = '', code = '' } = (error ?? {}) as { readonly message?: string; readonly code?: string };
  const isMeant = isTooMany(error) || (code === 'ERR_WORKER_INIT_FAILED' && message.includes('EMFILE'));
  return isMeant ? new StorageError('TOO_MANY_FILES', `Not done: ${TOO_MANY_WORDS}.`, { cause: error }) : error;
}
