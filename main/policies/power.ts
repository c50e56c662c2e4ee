/** What the host's power says: turning to battery, and a battery that runs low (METHOD.md step 800: a power source failing). */
import type { CheckpointTrigger, Policy } from '../ipc/contract.ts';

export interface PowerState {
  readonly onBattery: boolean;
  /** 0 to 100; undefined when nobody knows. */
  readonly percent: number | undefined;
}

/** A battery that was low is so again only after it has been this much fuller, or the mains were back. */
const CHARGED_PERCENT = 5;

export class PowerWatch {
  private onBattery = false;
  private low = false;

  /** What is to be done about the state now. Each is told once. */
  changed(state: PowerState, policy: Pick<Policy, 'onBattery' | 'batteryLowPercent'>): CheckpointTrigger[] {
    const triggers: CheckpointTrigger[] = [];
    if (policy.onBattery && state.onBattery && !this.onBattery) triggers.push('on-battery');
    this.onBattery = state.onBattery;
    const limit = policy.batteryLowPercent;
    if (!state.onBattery || limit === null) this.low = false;
    else if (state.percent !== undefined) {
      if (state.percent <= limit && !this.low) triggers.push('battery-low');
      if (state.percent <= limit) this.low = true;
      else if (state.percent > limit + CHARGED_PERCENT) this.low = false;
    }
    return triggers;
  }
}
