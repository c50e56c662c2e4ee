/**
 * Where owners' sockets lie: the first of these folders that only this user may enter and whose name is short enough for a socket (unix(7): about 100 bytes). Others may have
 * taken the name in the temporary folder, so none of them is needed.
 *
 *   $XDG_RUNTIME_DIR/cairn    TMPDIR/cairn-UID    /tmp/cairn-UID    sockets in the folder of locks    a new folder, cairn-XXXXXX, in TMPDIR or /tmp
 *
 *   PID-HEX.sock   takes commands (owner-socket.ts)      PID-HEX.pulse   shows that the process gets cycles (pulse.ts)
 */
import { randomBytes } from 'node:crypto';
import { accessSync, constants, lstatSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { ConfigError } from '#engine/errors/errors.ts';
import { isAlive } from '#worker/is-alive.ts';
import { defaultLockFolder } from '#worker/lock-folder.ts';
import { nodeFolders } from '#worker/node-folders.ts';

/** macOS has the shortest: 104 with the zero at the end. */
const LONGEST_PATH_BYTES = 103;
const LONGEST_NAME = '4194304-0123456789ab.pulse';
const PIPE = '\\\\.\\pipe\\cairn-';
const NAME = /^(\d+)-[0-9a-f]{12}\.(?:sock|pulse)$/;
const FRESH = /^cairn-[0-9A-Za-z]{6}$/;

/** A name for a new socket of this process. Throws ConfigError when there is no folder for it. */
export function newSocketPath(): string {
  const name = `${process.pid}-${randomBytes(6).toString('hex')}`;
  if (process.platform === 'win32') return PIPE + name;
  const folder = candidates().find(isUsable) ?? freshFolder();
  void sweep(folder);
  return join(folder, `${name}.sock`);
}

export const pulsePathOf = (socket: string): string => (socket.endsWith('.sock') ? socket.replace(/sock$/, 'pulse') : `${socket}-pulse`);

/** Removes what newSocketPath() led to. */
export function removeSocket(path: string): void {
  if (process.platform === 'win32') return;
  for (const each of [path, pulsePathOf(path)]) rmSync(each, { force: true });
  if (!FRESH.test(basename(dirname(path)))) return;
  try {
    rmdirSync(dirname(path));
  } catch {
    // Another socket is in it.
  }
}

/** Whether `path` can be a socket that the process `pid` of this user has made: owner.json may be a copy, or a stranger's, and may name anything. */
export function isOwnersSocket(path: string, pid: number): boolean {
  if (process.platform === 'win32') return path.startsWith(`${PIPE}${pid}-`);
  if (NAME.exec(basename(path))?.[1] !== String(pid) || !path.endsWith('.sock')) return false;
  try {
    const { uid, mode } = lstatSync(path);
    return (mode & constants.S_IFMT) === constants.S_IFSOCK && uid === process.getuid!() && isPrivate(dirname(path));
  } catch {
    return false;
  }
}

function candidates(): string[] {
  const runtime = process.env['XDG_RUNTIME_DIR'];
  const ofUser = `cairn-${process.getuid!()}`;
  return [...(runtime ? [join(runtime, 'cairn')] : []), join(tmpdir(), ofUser), join('/tmp', ofUser), ...folderOfLocks()];
}

function folderOfLocks(): string[] {
  try {
    return [join(defaultLockFolder(), 'sockets')];
  } catch {
    return []; // a user without a home
  }
}

function isUsable(folder: string): boolean {
  try {
    if (!fits(folder)) return false;
    nodeFolders.make(folder);
    accessSync(folder, constants.W_OK | constants.X_OK);
    return isPrivate(folder);
  } catch {
    return false;
  }
}

const fits = (folder: string): boolean => Buffer.byteLength(join(folder, LONGEST_NAME)) <= LONGEST_PATH_BYTES;

/** No link, and nobody else's. */
function isPrivate(folder: string): boolean {
  const stat = lstatSync(folder);
  return stat.isDirectory() && stat.uid === process.getuid!() && (stat.mode & 0o077) === 0;
}

function freshFolder(): string {
  for (const parent of new Set([tmpdir(), '/tmp'])) {
    if (!fits(join(parent, 'cairn-XXXXXX'))) continue;
    try {
      return mkdtempSync(join(parent, 'cairn-')); // mkdtemp(3): mode 0700
    } catch {
      // Not there either.
    }
  }
  throw new ConfigError(
    'SOCKET_FOLDER',
    'there is no folder in which this VM could take commands from other Cairn processes: set XDG_RUNTIME_DIR to a folder of your own (mode 0700) with a name of at most 70 bytes.',
  );
}

/** What killed processes have left: nobody of that number lives here, and nobody listens (it may live in another container). */
async function sweep(folder: string): Promise<void> {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return;
  }
  for (const name of names) {
    const pid = NAME.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    if (await refuses(join(folder, name))) rmSync(join(folder, name), { force: true });
  }
}

function refuses(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path);
    socket.unref();
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}
