// Brings node_modules and build/ up to date, and says so only when there is something to do.
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { coreIsCurrent } from './core-file.mjs';
import { has, projectNode, root, run, SetupError } from './host.mjs';
import { sourceDigest } from './source-digest.mjs';

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

/** Runs `build` when any of its sources is not what it was when the outputs were last built. */
function ensureBuilt(name, sources, outputs, build) {
  const want = sourceDigest(sources);
  const stamp = path.join(root, 'build', `${name}.stamp`);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want && outputs.every(file => existsSync(path.join(root, file)))) return;
  console.log(`Building the ${name} …`);
  build();
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, want);
}

/** The WebAssembly core. */
export function ensureCore() {
  if (coreIsCurrent()) return;
  console.log('Building the core …');
  run(projectNode(), ['scripts/build-core.mjs']);
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
