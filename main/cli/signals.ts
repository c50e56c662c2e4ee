/** SIGINT, SIGTERM and SIGHUP end a command cleanly. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Settles at the first of them. They kill no more from the call on: what has begun is ended properly. */
export function endingSignal(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    for (const signal of SIGNALS) process.on(signal, () => resolve(signal));
  });
}
