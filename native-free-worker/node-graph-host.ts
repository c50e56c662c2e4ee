/** The disk graph on this host: its files, its decompressor and checksum, and randomness for new layers' ids. */
import { randomBytes } from 'node:crypto';
import type { GraphHost } from '#engine/disk/graph/disk-folder.ts';
import { nodeCodec } from './node-codec.ts';
import { nodeDecompressor } from './node-decompressor.ts';
import { keptNodeFiles, nodeFiles } from './node-files.ts';

export const graphHost: GraphHost = {
  files: nodeFiles,
  keptFiles: keptNodeFiles,
  codec: nodeDecompressor,
  checksum: nodeCodec.checksum,
  newLayerId: () => randomBytes(16).toString('hex'),
};
