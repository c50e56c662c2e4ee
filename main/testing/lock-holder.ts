/** A second process that takes a file lock and tells of it over its IPC channel; it holds it until it is killed or told to let go. */
import { fork } from 'node:child_process';
import { FileLocks, type LockKind } from '../file-locks.ts';

export interface LockHolder {
  readonly pid: number;
  /** What it was refused with; undefined when it holds the lock. */
  readonly refusal: string | undefined;
  /** As `kill -9`. */
  kill(): Promise<unknown>;
  release(): Promise<unknown>;
}

export async function holdElsewhere(folder: string, path: string, kind: LockKind, holder: string): Promise<LockHolder> {
  const child = fork(import.meta.filename, [folder, path, kind, holder]);
  const ended = new Promise(resolve => child.once('exit', resolve));
  const refusal = await new Promise<string | undefined>(resolve => {
    child.once('message', (answer: { refusal?: string }) => resolve(answer.refusal));
  });
  return {
    pid: child.pid!,
    refusal,
    kill: () => {
      child.kill('SIGKILL');
      return ended;
    },
    release: () => {
      child.send('release');
      return ended;
    },
  };
}

if (process.argv[1] === import.meta.filename && process.send) {
  const [folder, path, kind, holder] = process.argv.slice(2) as [string, string, LockKind, string];
  try {
    const lock = new FileLocks(folder).take(path, kind, holder);
    process.once('message', () => {
      lock[Symbol.dispose]();
      process.disconnect();
    });
    process.send({});
  } catch (error) {
    process.send({ refusal: (error as Error).message }, () => process.disconnect());
  }
}
