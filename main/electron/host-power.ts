/** What the host's power tells the policies of the VMs, as Electron hears it: sleep, shutting down, and the battery where /sys does not say. */
import { powerMonitor } from 'electron';
import type { HostService } from '../host-service.ts';
import type { PowerState } from '../policies/power.ts';
import { readPowerSupply } from '../policies/power-supply.ts';

export function readHostPower(): PowerState {
  return readPowerSupply() ?? { onBattery: powerMonitor.isOnBatteryPower(), percent: undefined };
}

/** `quit` ends the application once what is to be kept is; where the host can be made to wait for it (Linux, macOS), it is. */
export function watchHostPower(service: Pick<HostService, 'hostEvent'>, quit: () => void): void {
  powerMonitor.on('suspend', () => void service.hostEvent('suspend'));
  // Electron's types know no event here, but it passes one.
  powerMonitor.on('shutdown', ((event?: { preventDefault(): void }) => {
    event?.preventDefault();
    void service.hostEvent('shutdown').finally(quit);
  }) as () => void);
}
