#!/usr/bin/env node
// The `cairn` command. Any Node can start it; it runs on the one that the project pins (package.json).
import { spawn, spawnSync } from 'node:child_process';
import module from 'node:module';
import { constants } from 'node:os';
import path from 'node:path';
import { coreIsCurrent } from './lib/core-file.mjs';
import { cacheDir, projectNode, root, SetupError } from './lib/host.mjs';

const PINNED_MAJOR = '26';

try {
  const node = projectNode();
  if (!process.channel && !coreIsCurrent()) build(node); // with a channel the starter below has looked already
  if (process.versions.node.split('.')[0] === PINNED_MAJOR) await runHere();
  else runThere(node);
} catch (error) {
  fail(error);
}

/** In a sentence, with the exit code that help.ts documents. */
function fail(error) {
  const isTooMany = /EMFILE|ENFILE|too many open files/i.test(error.message); // whatever of Node’s own loading met it
  if (!isTooMany && !(error instanceof SetupError)) throw error;
  const sentence = isTooMany
    ? 'this process may have too few files open to begin with anything (`ulimit -n` says how many; a VM that runs takes 64): allow it more, and try again.'
    : error.message;
  process.stderr.write(`cairn: ${sentence}\n`);
  process.exitCode = isTooMany ? 4 : 2;
}

async function runHere() {
  if (process.channel) {
    // The starter below was killed: end as it did, at once.
    process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
    process.channel.unref();
  }
  // A thread's modules without their types, compiled: loading them takes a fifth of the time, also for the threads of a world.
  module.enableCompileCache(path.join(cacheDir(), 'compiled'));
  const { main } = await import('../main/cli/cli.ts');
  process.exit(await main(process.argv.slice(2)));
}

/** Nothing but the command itself writes to stdout. */
function build(node) {
  process.stderr.write('cairn: building the emulator core …\n');
  const built = spawnSync(node, [`${root}scripts/build-core.mjs`], { cwd: root, stdio: ['ignore', 2, 2] });
  if (built.status !== 0)
    throw new SetupError('the emulator core could not be built: run "npm run build" in the project folder and see why.');
}

function runThere(node) {
  const child = spawn(node, [import.meta.filename, ...process.argv.slice(2)], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', fail);
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}
