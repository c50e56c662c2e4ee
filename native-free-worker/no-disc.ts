/** What a CD-ROM drive without a disc has behind it. Nobody reads it: the drive says first that it has none. */
import type { Layer } from '#engine/disk/block.ts';
import { InvariantError } from '#engine/errors/errors.ts';
import type { DiskBacking } from './served-disk.ts';

const nothing = (): never => {
  throw new InvariantError('there is no disc in the drive');
};

const EMPTY: Layer = {
  path: '',
  format: 'raw',
  sizeBytes: 0,
  clusterBytes: 65536,
  writable: false,
  parent: undefined,
  read: nothing,
  write: nothing,
  writeZeroes: nothing,
  discard: nothing,
  flush: () => {},
  status: nothing,
  resize: nothing,
  setWritable: nothing,
  [Symbol.dispose]: () => {},
};

export const NO_DISC: DiskBacking = {
  top: EMPTY,
  inCheckpoints: false,
  switchTop: nothing,
  flush: () => {},
  close: () => {},
  [Symbol.dispose]: () => {},
};
