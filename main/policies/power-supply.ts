/** The host's power as Linux tells it: /sys/class/power_supply (kernel document ABI/testing/sysfs-class-power). Elsewhere, and without a battery, there is nothing to tell. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PowerState } from './power.ts';

const FOLDER = '/sys/class/power_supply';

export function readPowerSupply(folder: string = FOLDER): PowerState | undefined {
  const supplies = list(folder).map(name => (property: string) => read(join(folder, name, property)));
  // A mouse has a battery, too: its scope says that it does not power the computer.
  const batteries = supplies.filter(of => of('type') === 'Battery' && of('scope') !== 'Device' && of('present') !== '0');
  if (batteries.length === 0) return undefined;
  const mains = supplies.filter(of => of('type') !== 'Battery' && of('online') !== undefined);
  const discharging = batteries.some(of => of('status') === 'Discharging');
  const onBattery = mains.length === 0 ? discharging : mains.every(of => of('online') === '0');
  const capacities = batteries.map(of => Number(of('capacity') ?? Number.NaN)).filter(percent => percent >= 0 && percent <= 100);
  const percent = capacities.length === 0 ? undefined : capacities.reduce((sum, each) => sum + each, 0) / capacities.length;
  return { onBattery, percent };
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // not Linux, or no such class
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined; // a driver need not have each property, and may fail to read one
  }
}
