// Bundles the Electron shell: the main process and the worlds' threads as ES modules, the preload as one CommonJS file (a sandboxed
// preload can be nothing else). Native and large packages stay packages. The renderer is Vite's.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node24',
  sourcemap: true,
  logLevel: 'warning',
  external: ['electron', 'better-sqlite3', 'ws'],
};

await build({
  ...shared,
  format: 'esm',
  outdir: 'dist/main',
  entryNames: '[name]',
  entryPoints: [
    'main/electron.ts',
    'native-free-worker/vcpu-worker.ts',
    'native-free-worker/checkpoint-worker.ts',
    'native-free-worker/disk-worker.ts',
    'native-free-worker/pulse.ts',
  ],
});
await build({ ...shared, format: 'cjs', outfile: 'dist/main/preload.cjs', entryPoints: ['main/electron/preload.ts'] });
