/** A machine's saved devices: checked as a whole before any of them changes, and hashed with all RAM to compare two runs. */
import type { Device } from '../devices/device.ts';
import { StateError } from '../errors/errors.ts';
import { CPU_BLOCK_SIZE, PAGE_SIZE } from '../memory/layout.ts';
import { bytes, defineState, encodeState } from '../state/state.ts';
import type { SavedDevice } from './machine.ts';
import { isZero, StateHash } from './state-hash.ts';

export const CpuState = defineState('cpu', 1, { block: bytes(CPU_BLOCK_SIZE) });

export interface StatefulDevice {
  /** Unique in the machine; a chip that is there twice has two names and one definition. */
  readonly name: string;
  readonly definition: { readonly version: number; parseVersion(version: number, raw: unknown): unknown };
  readonly device: Device;
  /** Of a device that a saved machine may lack; without it that is refused. */
  readonly optional?: {
    /** Whether it has one, by what else is saved: the device itself must be there or not accordingly. */
    isIn(saved: ReadonlyMap<string, SavedDevice>): boolean;
    /** In place of loading. */
    loadNothing(): void;
  };
  /** False: it is no part of the machine now, nor of what is saved. */
  readonly isThere?: () => boolean;
}

/** Throws StateError unless every device can be loaded; what it answers loads them. */
export function readyAll(devices: readonly StatefulDevice[], saved: readonly SavedDevice[]): () => void {
  const byName = new Map(saved.map(entry => [entry.name, entry]));
  if (byName.size !== saved.length) throw new StateError('The saved machine names a device twice.');
  for (const { name } of saved) {
    if (!devices.some(device => device.name === name))
      throw new StateError(`The saved machine has a device "${name}" that this one lacks.`);
  }
  const loads = devices.map(({ name, definition, device, optional }) => {
    const entry = byName.get(name);
    const isIn = optional?.isIn(byName) ?? true;
    if (entry && !isIn) throw new StateError(`The saved machine has the device "${name}" and no place for it.`);
    if (!entry && isIn) throw new StateError(`The saved machine lacks the device "${name}".`);
    if (!entry) return () => optional!.loadNothing();
    const state = definition.parseVersion(entry.version, entry.state);
    return () => device.loadState(state);
  });
  return () => {
    for (const load of loads) load();
  };
}

interface Pages {
  pageForRead(gppn: number): number;
}

/** Pages count by GPPN and content; a page of zeros counts as the zero page, wherever it lies. */
export function hashMachine(
  saved: readonly SavedDevice[],
  memory: WebAssembly.Memory,
  pages: Pages,
  ranges: readonly (readonly [number, number])[],
) {
  const hash = new StateHash();
  hash.bytes(encodeState(saved));
  for (const [first, count] of ranges) {
    for (let gppn = first; gppn < first + count; gppn++) {
      const words = new Uint32Array(memory.buffer, pages.pageForRead(gppn) >>> 0, PAGE_SIZE / 4);
      if (isZero(words)) continue;
      hash.word(gppn);
      hash.words(words);
    }
  }
  return hash.hex();
}
