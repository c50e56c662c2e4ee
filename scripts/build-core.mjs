// Compiles the AssemblyScript core (engine/core.as.ts) to build/engine.wasm, and writes into it what it was built from.
import { appendFileSync, mkdirSync, renameSync } from 'node:fs';
import { main as compile } from 'assemblyscript/asc';
import { AGREEMENT_SECTION, coreAgreement } from '../engine/cpu/core-agreement.ts';
import { POOL_BASE } from '../engine/memory/layout.ts';
import { customSection, sourcesSection } from './lib/core-file.mjs';
import { coreOptions } from './lib/core-options.mjs';
import { root } from './lib/host.mjs';

const WASM_PAGE = 65536;

const sources = sourcesSection(); // before they are compiled: what is changed meanwhile is built again next time
const unfinished = `build/engine.${process.pid}.wasm`; // several may build at once
mkdirSync(`${root}build`, { recursive: true });
const { error, stderr } = await compile([
  'engine/core.as.ts',
  '--baseDir',
  root,
  '--outFile',
  unfinished,
  ...coreOptions(POOL_BASE / WASM_PAGE),
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
