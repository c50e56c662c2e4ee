/** The stopped part of taking a checkpoint: steps 804 to 814, on the vcpu thread, between two slices. */
import { CheckpointError } from '../errors/errors.ts';
import type { SavedDevice } from '../machine/machine.ts';
import type { HostClock, StepHook, StoppableDisks, StoppableVm } from './ports.ts';

/** What the stop leaves behind for the streaming part (take.ts). Whoever has it must see to it that `slot` is thawed (828). */
export interface Stopped {
  readonly slot: number;
  readonly epoch: number;
  readonly devices: readonly SavedDevice[];
  /** Steps 804 to 814. */
  readonly pauseMs: number;
}

/**
 * Synchronous: but for the rare wait of step 812 nothing slow can lengthen the stop. Fails with no marks left. When it fails after 810, the VM goes on in the
 * new COW disks, which is as good.
 */
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
    if (vm.disks !== undefined) switchDisks(vm.disks, step);
    step(814, 0);
    return { ...frozen, devices, pauseMs: clock.nowMs() - stoppedAt };
  } catch (cause) {
    vm.thaw(frozen.slot);
    throw cause;
  }
}

/** Steps 810 and 812. While the VM is stopped there are no COW faults: what ends now ends in the checkpointed memory and in the VM's. */
function switchDisks(disks: StoppableDisks, step: StepHook): void {
  step(810, 0);
  disks.switchTops();
  step(812, 0);
  if (!disks.hasReadThenWrite() || disks.waitForAll()) return;
  throw new CheckpointError(
    'DISK_TROUBLE',
    'The host’s storage does not take what the guest writes: make room on it or mend it, resume the VM, and try again.',
    { step: 812 },
  );
}
