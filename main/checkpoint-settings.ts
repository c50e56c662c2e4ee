/** What a VM's settings say of how its checkpoints are taken, as the checkpoint worker is told it. */
import { DEFAULT_PACE, type PaceStep } from '#engine/checkpoint/pace.ts';
import type { CheckpointOrder } from '#worker/checkpoint-protocol.ts';
import type { CheckpointPace, VmConfig } from './ipc/contract.ts';

const MIB = 1024 * 1024;
const NO_COMPRESSION = 0;

const PACES: Readonly<Record<Extract<CheckpointPace, string>, readonly PaceStep[]>> = {
  gentle: [
    { afterMs: 0, share: 0.2 },
    { afterMs: 60_000, share: 0.5 },
  ],
  normal: DEFAULT_PACE,
  fast: [{ afterMs: 0, share: 1 }],
};

export type TakeSettings = Pick<CheckpointOrder, 'compression' | 'pace' | 'copyLimitBytes' | 'keepInRam' | 'passphrase'>;

export function takeSettings({ compression, checkpointPace: pace, copyLimitMiB, keepInRam }: VmConfig, passphrase?: string): TakeSettings {
  return {
    ...(compression === 'none' && { compression: NO_COMPRESSION }),
    ...(pace !== undefined && { pace: typeof pace === 'string' ? PACES[pace] : pace }),
    ...(copyLimitMiB !== undefined && { copyLimitBytes: copyLimitMiB * MIB }),
    ...(keepInRam === true && { keepInRam }),
    ...(passphrase !== undefined && { passphrase }),
  };
}
