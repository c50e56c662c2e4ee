// Compiles the AssemblyScript core (engine/core.as.ts) to build/engine.wasm, and writes into it what it was built from.
import { appendFileSync, mkdirSync, renameSync } from 'node:fs';
import { main as compile } from 'assemblyscript/asc';
import { AGREEMENT_SECTION, coreAgreement } from '../engine/cpu/core-agreement.ts';
import { customSection, sourcesSection } from './lib/core-file.mjs';
import { root } from './lib/host.mjs';

const sources = sourcesSection(); // before they are compiled: what is changed meanwhile is built again next time
const unfinished = `build/engine.${process.pid}.wasm`; // several may build at once
mkdirSync(`${root}build`, { recursive: true });
// 0x20_0000 is STATICS_BASE; 3072 pages of 64 KiB reach POOL_BASE (engine/memory/layout.ts).
const { error, stderr } = await compile([
  'engine/core.as.ts',
  '--baseDir',
  root,
  '--outFile',
  unfinished,
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
appendFileSync(`${root}${unfinished}`, Buffer.concat([customSection(AGREEMENT_SECTION, coreAgreement()), sources]));
renameSync(`${root}${unfinished}`, `${root}build/engine.wasm`);
