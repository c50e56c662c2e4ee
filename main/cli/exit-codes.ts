/** What the exit code of `cairn` says. Documented in help.ts; scripts rely on it. */
import { CairnError, CheckpointError, ConfigError, IpcError, StateError, StorageError } from '#engine/errors/errors.ts';
import type { WorldEnd } from '#worker/protocol.ts';

export const EXIT_OK = 0;
export const EXIT_USAGE = 1;
export const EXIT_CONFIG = 2;
export const EXIT_IN_USE = 3;
export const EXIT_CHECKPOINT = 4;
/** `disk compare`: the disks differ; `disk check`: the image is damaged. */
export const EXIT_DIFFERENT = 5;
/** `disk check`: room is lost, nothing else. */
export const EXIT_LEAKS = 6;
/** The VM crashed, or Cairn has a bug (sysexits.h, EX_SOFTWARE). */
export const EXIT_SOFTWARE = 70;
/** What was printed could not be written (sysexits.h, EX_IOERR). */
export const EXIT_OUTPUT = 74;
/** Nobody reads what was printed, as the shell has it (128 + SIGPIPE). */
export const EXIT_PIPE = 141;
/** Ended by Ctrl-C, as the shell has it (128 + SIGINT). */
export const EXIT_INTERRUPTED = 130;

/** Wrong words on the command line. */
export class UsageError extends CairnError {
  constructor(message: string, options?: ErrorOptions) {
    super('USAGE', message, options);
  }
}

const IN_USE = new Set(['VM_IN_USE', 'VM_RUNNING', 'VM_OFF', 'OWNER_GONE', 'NO_ANSWER', 'ASKER_GONE', 'FILE_IN_USE']);
/** The user named a wrong file: no disk failed. */
const WRONG_FILE = new Set(['NO_SUCH_FILE', 'FILE_EXISTS', 'NOT_A_FILE', 'NO_ACCESS']);
const SOFTWARE = new Set(['CRASHED', 'INVARIANT', 'INTERNAL']);
const CHECKPOINT = new Set([
  'PASSPHRASE_NEEDED',
  'WRONG_PASSPHRASE',
  'STATE',
  'DISK_FULL',
  'DISK_ERROR',
  'STORAGE',
  'TOO_MANY_FILES',
  'VOLUME_BUSY',
  'VOLUME_DAMAGED',
]);

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT_USAGE;
  if (!(error instanceof CairnError)) return EXIT_SOFTWARE;
  if (error.code === 'INTERRUPTED') return EXIT_INTERRUPTED;
  if (error.code === 'OUTPUT') return EXIT_OUTPUT;
  if (IN_USE.has(error.code)) return EXIT_IN_USE;
  if (WRONG_FILE.has(error.code)) return EXIT_CONFIG;
  if (error instanceof CheckpointError || error instanceof StateError || error instanceof StorageError) return EXIT_CHECKPOINT;
  if (error instanceof ConfigError || error instanceof IpcError) return EXIT_CONFIG;
  if (CHECKPOINT.has(error.code) || error.code.startsWith('CHECKPOINT')) return EXIT_CHECKPOINT; // told by another process
  return SOFTWARE.has(error.code) ? EXIT_SOFTWARE : EXIT_CONFIG;
}

/** The exit code of `cairn run`. */
export function exitCodeOfEnd(end: WorldEnd): number {
  if (end.kind === 'debug-exit') return end.code & 0xff;
  return end.kind === 'crashed' || end.kind === 'refused' ? EXIT_SOFTWARE : EXIT_OK;
}
