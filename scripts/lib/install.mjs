// Brings node_modules and build/ up to date, and says so only when there is something to do.
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { has, projectNode, root, run, SetupError } from './host.mjs';

const digest = text => createHash('sha256').update(text).digest('hex');

/** npm ci, when the lock file differs from the one that was last installed. */
export function ensurePackages() {
  const modules = path.join(root, 'node_modules');
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) return; // shared with another checkout: npm ci would empty that one
  const lock = digest(readFileSync(path.join(root, 'package-lock.json')));
  const stamp = path.join(modules, '.cairn-installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  if (!has('npm')) throw new SetupError('npm is missing: install Node 20 or later with npm.');
  console.log('Installing packages …');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    hint: 'Is the npm registry reachable?',
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  writeFileSync(stamp, lock);
}

function* sourceFiles(folder) {
  for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
    const name = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* sourceFiles(name);
    else if (!name.endsWith('.test.ts')) yield name;
  }
}

/** Runs `build` when any of its sources is not what it was when the outputs were last built. */
function ensureBuilt(name, folders, outputs, build) {
  const hash = createHash('sha256');
  for (const folder of folders) {
    const files = statSync(path.join(root, folder)).isDirectory() ? [...sourceFiles(folder)].sort() : [folder];
    for (const file of files) hash.update(file).update(readFileSync(path.join(root, file)));
  }
  const want = hash.digest('hex');
  const stamp = path.join(root, 'build', `${name}.stamp`);
  const fresh = existsSync(stamp) && readFileSync(stamp, 'utf8') === want && outputs.every(file => existsSync(path.join(root, file)));
  if (fresh) return;
  console.log(`Building the ${name} …`);
  build();
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, want);
}

/** The WebAssembly core. */
export function ensureCore() {
  const sources = ['engine/core.as.ts', 'engine/cpu', 'engine/isa', 'engine/memory', 'scripts/build-core.mjs', 'package-lock.json'];
  ensureBuilt('core', sources, ['build/engine.wasm'], () => run(projectNode(), ['scripts/build-core.mjs']));
}

/** The window's files. */
export function ensureWindow() {
  ensureBuilt('window', ['renderer', 'main/ipc', 'assets', 'package-lock.json'], ['dist/renderer/index.html'], () =>
    run(projectNode(), ['node_modules/vite/bin/vite.js', 'build', 'renderer', '--logLevel', 'warn']),
  );
}

/** The Electron shell: main process, worlds' threads and preload, bundled. */
export function ensureShell() {
  const sources = ['engine', 'native-free-worker', 'main', 'scripts/build-shell.mjs', 'package-lock.json'];
  ensureBuilt('shell', sources, ['dist/main/electron.js', 'dist/main/preload.cjs'], () => run(projectNode(), ['scripts/build-shell.mjs']));
}
