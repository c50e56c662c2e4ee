/** The configuration of a small VM that boots from nothing. */
import type { VmConfig } from '#main/ipc/contract.ts';

export const smallConfig: VmConfig = {
  memoryMiB: 16,
  append: '',
  debugExit: false,
  noReboot: false,
  disks: [],
  checkpointMode: 'chain',
  overwrite: false,
};
