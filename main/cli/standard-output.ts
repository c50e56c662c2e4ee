/**
 * stdout, whose reader may go away and whose disk may be full. What is lost is never taken for written: the exit code says it, and a sentence on stderr; when the reader has gone, as after
 * `| head`, the code alone.
 */
import { CairnError, messageOf } from '#engine/errors/errors.ts';
import { EXIT_OK, EXIT_OUTPUT, EXIT_PIPE } from './exit-codes.ts';

/** How long a reader that does not read is waited for once a signal has asked for the end. */
const HURRY_MS = 1000;

let failure: NodeJS.ErrnoException | undefined;
let isTold = false;
let hurry: () => void = () => {};
const hurried = new Promise<void>(resolve => (hurry = resolve));

/** To be called first of all. */
export function watchOutput(): void {
  process.stdout.on('error', note);
  process.stderr.on('error', () => {}); // there is nowhere left to say it
}

/** False: the reader is behind (afterDrain). What comes after a failure is dropped. */
export function writeOut(text: string | Uint8Array): boolean {
  if (failure !== undefined) return true;
  return process.stdout.write(text, error => {
    if (error) note(error);
  });
}

export function afterDrain(): Promise<void> {
  return new Promise(resolve => {
    const events = ['drain', 'close', 'error'];
    const settle = () => {
      for (const event of events) process.stdout.off(event, settle);
      resolve();
    };
    for (const event of events) process.stdout.on(event, settle);
  });
}

/** Why nothing can be written, in words that fit after "cannot be written: ", once it is so. `isGone`: nobody reads any more. */
export function outputFailure(): { readonly isGone: boolean; readonly why: string } | undefined {
  if (failure === undefined) return undefined;
  const words: Record<string, string> = {
    EPIPE: 'nobody reads it any more',
    ENOSPC: 'the disk is full',
    EIO: 'the terminal or the disk behind it fails',
  };
  return { isGone: failure.code === 'EPIPE', why: words[failure.code ?? ''] ?? messageOf(failure) };
}

/** The user has been told. */
export function outputFailureIsTold(): void {
  isTold = true;
}

/** Settles when all is written or lost. Throws CairnError OUTPUT when it is lost. */
export async function outputWritten(): Promise<void> {
  await flush();
  const failed = outputFailure();
  if (failed === undefined) return;
  isTold = true; // by whoever tells of the error
  throw new CairnError('OUTPUT', `what was to be printed cannot be written: ${failed.why}.`);
}

/** A signal has asked for the end: nobody waits for a reader much longer. */
export function hurryOutput(): void {
  setTimeout(hurry, HURRY_MS).unref();
}

/** The exit code of a command that would end with `code`, once what it printed is written or lost. */
export async function exitCodeAfterOutput(code: number): Promise<number> {
  await flush();
  const failed = outputFailure();
  if (failed === undefined) return code;
  if (!failed.isGone && !isTold) {
    const done = code === EXIT_OK ? ' What was asked for is done.' : '';
    process.stderr.write(`cairn: what was to be printed cannot be written: ${failed.why}.${done}\n`);
  }
  if (code !== EXIT_OK) return code;
  return failed.isGone ? EXIT_PIPE : EXIT_OUTPUT;
}

async function flush(): Promise<void> {
  const flushed = new Promise<void>(resolve => {
    process.stdout.write('', () => resolve());
  });
  await Promise.race([flushed, hurried]);
  await new Promise(resolve => setImmediate(resolve)); // what failed has been told by then
}

function note(error: NodeJS.ErrnoException): void {
  failure ??= error;
}
