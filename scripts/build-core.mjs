// Compiles the AssemblyScript core (engine/core.as.ts) to build/engine.wasm.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { main as compile } from 'assemblyscript/asc';

const root = fileURLToPath(new URL('..', import.meta.url));
mkdirSync(`${root}build`, { recursive: true });
// 0x20_0000 is STATICS_BASE; 3072 pages of 64 KiB reach POOL_BASE (engine/memory/layout.ts).
const { error, stderr } = await compile([
  'engine/core.as.ts',
  '--baseDir',
  root,
  '--outFile',
  'build/engine.wasm',
  '--runtime',
  'stub',
  '--importMemory',
  '--sharedMemory',
  '--initialMemory',
  '3072',
  '--maximumMemory',
  '65536',
  '--enable',
  'threads',
  '--enable',
  'simd',
  '--enable',
  'bulk-memory',
  '--memoryBase',
  String(0x20_0000),
  '--optimizeLevel',
  '3',
  '--shrinkLevel',
  '0',
  '--debug',
  // v128 parameters between our own functions are no export.
  '--disableWarning',
  '112',
]);
process.stderr.write(stderr.toString());
if (error) process.exit(1);
