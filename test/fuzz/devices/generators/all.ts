/** Who makes operations, and how often. A device is put under test by its line here; one behind virtqueues is found by itself. */
import type { Emit } from '../emit.ts';
import { acpi, board, hpet, keyboard, pic, pit, rtc, serial } from './chips.ts';
import { machine, pages, storage, time, user } from './host.ts';
import { ide } from './ide.ts';
import { pci } from './pci.ts';
import { virtio } from './virtio.ts';

export interface Generator {
  readonly name: string;
  readonly weight: number;
  readonly make: (emit: Emit) => void;
}

/** Anew for each case: some remember what they have set up. */
export const generators = (): readonly Generator[] => [
  { name: 'virtio', weight: 30, make: virtio() },
  { name: 'ide', weight: 22, make: ide },
  { name: 'pci', weight: 8, make: pci },
  { name: 'pic', weight: 12, make: pic },
  { name: 'pit', weight: 4, make: pit },
  { name: 'rtc', weight: 4, make: rtc },
  { name: 'hpet', weight: 4, make: hpet },
  { name: 'keyboard', weight: 4, make: keyboard },
  { name: 'serial', weight: 4, make: serial },
  { name: 'acpi', weight: 3, make: acpi },
  { name: 'board', weight: 4, make: board },
  { name: 'storage', weight: 6, make: storage },
  { name: 'time', weight: 6, make: time },
  { name: 'user', weight: 2, make: user },
  { name: 'pages', weight: 1, make: pages },
  { name: 'machine', weight: 1, make: machine },
];
