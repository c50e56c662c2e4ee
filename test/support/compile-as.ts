/** Compiles one AssemblyScript file by itself, with stand-ins for the files around it, so that a unit test can watch its calls. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { coreOptions } from '../../scripts/lib/core-options.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** `standIns`: path from the repository's root (without .ts) → AssemblyScript source. Memory is imported, at least `initialPages` × 64 KiB. */
export async function compileAs(entry: string, standIns: Record<string, string> = {}, initialPages = 3072): Promise<WebAssembly.Module> {
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main([entry, '--outFile', 'out.wasm', ...coreOptions(initialPages), '--optimizeLevel', '2'], {
    readFile: name => {
      const standIn = standIns[name.replace(/\.ts$/, '')];
      if (standIn !== undefined) return name.endsWith('.ts') ? standIn : null;
      try {
        return readFileSync(root + name, 'utf8');
      } catch {
        return null;
      }
    },
    writeFile: (name, contents) => {
      if (name === 'out.wasm') binary = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === undefined) throw new Error(`${entry} does not compile:\n${stderr.toString()}`);
  return new WebAssembly.Module(binary as Uint8Array<ArrayBuffer>);
}
