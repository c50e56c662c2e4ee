/** The stopped part of taking a checkpoint: steps 804 to 814, on the vcpu thread, between two slices. */
import { CheckpointError } from '../errors/errors.ts';
import type { SavedDevice } from '../machine/machine.ts';
import type { HostClock, StepHook, StoppableVm } from './ports.ts';

/** What the stop leaves behind for the streaming part (take.ts). Whoever has it must see to it that `slot` is thawed (828). */
export interface Stopped {
  readonly slot: number;
  readonly epoch: number;
  readonly devices: readonly SavedDevice[];
  /** Steps 804 to 814. */
  readonly pauseMs: number;
}

/** Synchronous: nothing slow can lengthen the stop. Fails with no marks left. */
export function whileStopped(vm: StoppableVm, clock: Pick<HostClock, 'nowMs'>, step: StepHook = () => {}): Stopped {
  const stoppedAt = clock.nowMs();
  step(804, 0);
  step(806, 0);
  const frozen = vm.freeze();
  if (frozen === undefined) {
    throw new CheckpointError(
      'TOO_MANY_CHECKPOINTS',
      'Too many checkpoints of this VM are being taken at once: wait until one is done and try again.',
      { step: 806 },
    );
  }
  try {
    step(808, 0);
    const devices = vm.saveDevices();
    step(814, 0);
    return { ...frozen, devices, pauseMs: clock.nowMs() - stoppedAt };
  } catch (cause) {
    vm.thaw(frozen.slot);
    throw cause;
  }
}
