// Sets up what is missing and opens the app with the demo VM running: in Electron where it can be had, else in the browser, else at an address.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ensureGuest } from './guests.mjs';
import { main, projectNode, root, run, runProjectNode, SetupError } from './lib/host.mjs';
import { ensureCore, ensurePackages, ensureShell, ensureWindow } from './lib/install.mjs';

const ELECTRON_DOWNLOAD_LIMIT_MS = 180_000;

/** What the app is told of the demo VM (main/demo.ts). */
function demoEnvironment() {
  try {
    return { CAIRN_DEMO: ensureGuest('demo') };
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.log(`No demo VM: ${error.message} Use New VM to open a kernel of your own.`);
    return { CAIRN_DEMO_MISSING: error.message };
  }
}

const hasDisplay = () => process.platform !== 'linux' || Boolean(process.env.DISPLAY ?? process.env.WAYLAND_DISPLAY);

/** Electron's program, downloaded by its own installer when it isn't there yet; undefined when it can't be had. */
function electronProgram() {
  const folder = path.join(root, 'node_modules/electron');
  const marker = path.join(folder, 'path.txt');
  if (!existsSync(marker)) {
    console.log('Fetching Electron …');
    spawnSync(projectNode(), [path.join(folder, 'install.js')], { stdio: 'ignore', timeout: ELECTRON_DOWNLOAD_LIMIT_MS });
  }
  if (!existsSync(marker)) return undefined;
  const program = path.join(folder, 'dist', readFileSync(marker, 'utf8').trim());
  return existsSync(program) ? program : undefined;
}

await main(async () => {
  ensurePackages();
  ensureCore();
  ensureWindow();
  const env = { ...process.env, ...demoEnvironment() };
  const serve = why => {
    console.log(`Opening in the browser: ${why}.`);
    return runProjectNode(['scripts/cairn.mjs', 'serve', '--open', ...process.argv.slice(2)], { env });
  };
  if (!hasDisplay()) return serve('this session has no display for a window');
  const electron = electronProgram();
  if (!electron) return serve("Electron's program could not be fetched");
  ensureShell();
  // as root, Chromium's own sandbox can't be set up
  run(electron, [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '.'], { env });
});
