/** The built core, as the worlds run it. `npm run check` and `npm test` build it first. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

let module: WebAssembly.Module | undefined;

export function coreModule(): WebAssembly.Module {
  module ??= new WebAssembly.Module(readFileSync(fileURLToPath(new URL('../../build/engine.wasm', import.meta.url))));
  return module;
}
