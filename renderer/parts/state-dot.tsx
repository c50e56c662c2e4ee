import type { VmState } from '../../main/ipc/contract.ts';

export const STATE_WORDS: Readonly<Record<VmState, string>> = {
  off: 'off',
  starting: 'starting',
  running: 'running',
  paused: 'paused',
  reverting: 'going back',
  crashed: 'crashed',
  'no-answer': 'does not answer',
};

export function StateDot({ state }: { state: VmState }) {
  return <span className={`state-dot ${state}`} aria-hidden />;
}
