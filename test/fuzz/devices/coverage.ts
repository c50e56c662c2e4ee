/** What a run has reached: commands by device as the devices saw them, and accesses by the place they went to. */
import type { FuzzMachine } from './machine.ts';
import { isVirtio, tap } from './inside.ts';

interface Inside {
  readonly unit?: object;
  readonly targets?: { readonly all: readonly { readonly name: string; readonly unit: object }[] };
}

export class Coverage {
  readonly counts = new Map<string, number>();

  note(what: string) {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  watch(machine: FuzzMachine) {
    const hex = (value: number) => value.toString(16).padStart(2, '0');
    for (const { name, device } of machine.inner.devices) {
      const { unit, targets } = device as unknown as Inside;
      if (/^ide\d$/.test(name)) tap(device, 'execute', (command: number) => this.note(`${name} ${hex(command)}`));
      if (/^ide\d$/.test(name)) tap(device, 'diagnose', () => this.note(`${name} 90`));
      if (unit) tap(unit, 'execute', (cdb: Uint8Array) => this.note(`${name} scsi ${hex(cdb[0]!)}`));
      for (const place of targets?.all ?? [])
        tap(place.unit, 'execute', (cdb: Uint8Array) => this.note(`${name} ${place.name} ${hex(cdb[0]!)}`));
      if (isVirtio(device)) tap(device.transport.model, 'request', (queue: number) => this.note(`${name} queue ${queue}`));
      tap(device, 'reset', () => this.note(`${name} reset`));
    }
  }
}
