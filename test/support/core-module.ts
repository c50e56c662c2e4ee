/** The built core, as the worlds run it; vitest.config.ts sees to it that it is that of the present sources. */
import { readFileSync } from 'node:fs';

let module: WebAssembly.Module | undefined;

export const coreBytes = (): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(new URL('../../build/engine.wasm', import.meta.url)));

export function coreModule(): WebAssembly.Module {
  module ??= new WebAssembly.Module(coreBytes());
  return module;
}
