/** The disk graph on this host: its files, its decompressor, and randomness for new layers' ids. */
import { randomBytes } from 'node:crypto';
import type { GraphHost } from '#engine/disk/graph/disk-folder.ts';
import { nodeDecompressor } from './node-decompressor.ts';
import { nodeFiles } from './node-files.ts';

export const graphHost: GraphHost = { files: nodeFiles, codec: nodeDecompressor, newLayerId: () => randomBytes(16).toString('hex') };
