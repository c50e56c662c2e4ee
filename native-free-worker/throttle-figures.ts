/** The throttle's figures in the world block: written by the vcpu thread while a checkpoint is written, read by the checkpoint worker, each a word of its own. */
import type { ThrottleFigures } from '#engine/checkpoint/throttle.ts';
import { PAGE_SIZE } from '#engine/memory/layout.ts';
import { memoryStats } from '#engine/memory/mmm.ts';
import { THROTTLE_FIGURES } from './world-block.ts';

const COPIED_PAGES = 0;
const LIMIT_PAGES = 1;
const FAULT_RATE = 2;
const REST_PERMILLE = 3;

const words = (memory: SharedArrayBuffer) => new Uint32Array(memory, THROTTLE_FIGURES, 4);

export function writeFigures(memory: SharedArrayBuffer, figures: ThrottleFigures): void {
  const word = words(memory);
  word[COPIED_PAGES] = figures.copiedBytes / PAGE_SIZE;
  word[LIMIT_PAGES] = figures.limitBytes / PAGE_SIZE;
  word[FAULT_RATE] = figures.faultsPerSecond;
  word[REST_PERMILLE] = figures.restShare * 1000;
}

export function readFigures(memory: SharedArrayBuffer): ThrottleFigures {
  const word = words(memory);
  return {
    cowFaults: memoryStats(memory).cowFaults,
    copiedBytes: word[COPIED_PAGES]! * PAGE_SIZE,
    limitBytes: word[LIMIT_PAGES]! * PAGE_SIZE,
    faultsPerSecond: word[FAULT_RATE]!,
    restShare: word[REST_PERMILLE]! / 1000,
  };
}
