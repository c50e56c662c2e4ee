// How AssemblyScript is compiled for a world, the whole core as well as a part of it in a test: memory is shared and comes from outside, and the host's
// engine has threads and vectors.
import { STATICS_BASE } from '../../engine/memory/layout.ts';

/** asc's options; `initialPages`: 64 KiB each, what the code wants of memory at least. */
export const coreOptions = initialPages => [
  ...['--runtime', 'stub', '--importMemory', '--sharedMemory', '--initialMemory', String(initialPages), '--maximumMemory', '65536'],
  ...['--enable', 'threads', '--enable', 'simd', '--enable', 'bulk-memory', '--memoryBase', String(STATICS_BASE)],
];
