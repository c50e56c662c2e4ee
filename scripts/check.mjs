// What every change must pass, in a few minutes: formatter, linter with the boundary rules, types of every layer, unit tests.
import { main, projectNode, run } from './lib/host.mjs';
import { ensureCore, ensurePackages } from './lib/install.mjs';

const layers = ['engine', 'native-free-worker', 'main', 'main/electron', 'renderer', 'test'];
const tool = (file, ...args) => run(projectNode(), [`node_modules/${file}`, ...args]);

export function checkSources() {
  tool('oxfmt/bin/oxfmt', '--check', '.');
  tool('oxlint/bin/oxlint', '--deny-warnings');
  for (const layer of layers) tool('typescript/bin/tsc', '-p', layer);
}

export function runTests(...args) {
  tool('vitest/vitest.mjs', 'run', ...args);
}

if (process.argv[1] === import.meta.filename) {
  await main(() => {
    ensurePackages();
    ensureCore();
    checkSources();
    runTests('--project', 'unit');
  });
}
