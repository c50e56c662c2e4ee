/** A child process with a console on its stdin and stdout: QEMU or `cairn run`. Waits for text, never for time. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';

const LIMIT_MS = 300_000; // a hang, on any machine

export class ConsoleProcess {
  readonly child: ChildProcessWithoutNullStreams;
  /** Everything printed so far; `seenEnd` is how much of it waitFor() has passed. */
  text = '';
  seenEnd = 0;
  errors = '';
  readonly ended: Promise<number | string>;
  private readonly listeners = new Set<() => void>();

  constructor(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdin.on('error', () => {}); // it may end while we type
    this.child.stdout.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
      for (const listener of this.listeners) listener();
    });
    this.child.stderr.on('data', (chunk: Buffer) => {
      this.errors += chunk.toString();
    });
    this.ended = new Promise(resolve => this.child.on('close', (code, signal) => resolve(code ?? signal ?? -1)));
    void this.ended.then(() => {
      for (const listener of this.listeners) listener();
    });
  }

  type(text: string): void {
    this.child.stdin.write(text);
  }

  /** What has been printed so far is waited for no more. */
  passAll(): void {
    this.seenEnd = this.text.length;
  }

  /** Resolves with the first match after what earlier calls have passed; fails when the process ends or hangs. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const finish = (done: () => void) => {
        clearTimeout(timer);
        this.listeners.delete(look);
        done();
      };
      const fail = (why: string) =>
        finish(() => reject(new Error(`${why} ${pattern}; last output: …${this.text.slice(-800)}\n${this.errors.slice(-500)}`)));
      const look = () => {
        const match = pattern.exec(this.text.slice(this.seenEnd));
        if (match) {
          this.seenEnd += match.index + match[0].length;
          finish(() => resolve(match));
        } else if (this.child.exitCode !== null || this.child.signalCode !== null) fail('the process ended before');
      };
      const timer = setTimeout(() => fail('gave up waiting for'), LIMIT_MS);
      this.listeners.add(look);
      look();
    });
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | string> {
    this.child.kill(signal);
    return this.ended;
  }
}
