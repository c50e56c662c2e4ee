import { hurryOutput } from './standard-output.ts';

/** SIGINT, SIGTERM and SIGHUP end a command cleanly. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Ctrl-C reaches this process from the terminal and from the script that started it. */
const SAME_KEY_MS = 500;

/**
 * Settles at the first of them. They kill no more from the call on: what has begun is ended properly. Who asks once more does not want to wait for that, and is obeyed at once: what a killed
 * process leaves is mended at the next opening.
 */
export function endingSignal(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let firstMs: number | undefined;
    for (const signal of SIGNALS)
      process.on(signal, () => {
        firstMs ??= performance.now();
        hurryOutput();
        if (performance.now() - firstMs > SAME_KEY_MS) killAs(signal);
        resolve(signal);
      });
  });
}

function killAs(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
