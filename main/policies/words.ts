/** What users read of policies. */
import type { CheckpointTrigger } from '../ipc/contract.ts';
import type { Decision } from './vm-policy.ts';

const TITLES: Readonly<Record<CheckpointTrigger, string>> = {
  user: '',
  period: 'Periodic',
  'on-battery': 'On battery power',
  'battery-low': 'Battery low',
  suspend: 'Before the host slept',
  shutdown: 'Before the host shut down',
  reset: 'Before a reset',
  'power-off': 'Powered off',
};

/** The title of a checkpoint that nobody asked for. */
export const automaticTitle = (trigger: CheckpointTrigger): string => TITLES[trigger];

export function roomWords(name: string, path: string, decision: Extract<Decision, { kind: 'low-on-room' | 'room-again' }>): string {
  if (decision.kind === 'room-again') return `There is room again on the disk of ${path}: periodic checkpoints of ${name} go on.`;
  const mib = Math.floor(decision.freeBytes / (1024 * 1024));
  return `The disk of ${path} has ${mib} MiB left: periodic checkpoints of ${name} wait, and older automatic ones are thinned out. Make room, or delete checkpoints.`;
}
