/**
 * Where the process that owns VMs takes commands from other Cairn processes of the same user: a Unix socket (a named pipe on Windows) in a
 * folder that only that user may enter. What arrives is checked by Session like everything else.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '#engine/errors/errors.ts';
import type { HostClient } from './ipc/contract.ts';
import { Session } from './ipc/session.ts';
import { MessageStream } from './ipc/stream.ts';
import { MAX_CLIENT_MESSAGE_BYTES } from './ipc/wire.ts';

export class OwnerSocket {
  readonly path: string;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(path: string, server: Server) {
    this.path = path;
    this.server = server;
  }

  static async listen(connect: () => HostClient): Promise<OwnerSocket> {
    const path = socketPath();
    const server = createServer();
    const owner = new OwnerSocket(path, server);
    server.on('connection', socket => owner.serve(socket, connect()));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    if (process.platform !== 'win32') chmodSync(path, 0o600);
    server.unref();
    return owner;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroySoon();
    this.server.close();
    if (process.platform !== 'win32') rmSync(this.path, { force: true });
  }

  private serve(socket: Socket, host: HostClient): void {
    this.sockets.add(socket);
    socket.unref();
    const stream = new MessageStream(socket, MAX_CLIENT_MESSAGE_BYTES, {
      text: text => void session.receiveText(text),
      binary: bytes => session.receiveBinary(bytes),
      closed: () => {
        this.sockets.delete(socket);
        session.close();
      },
    });
    const session = new Session(host, {
      sendText: text => stream.sendText(text),
      sendBinary: bytes => void stream.sendBinary(bytes),
      bufferedBytes: () => stream.bufferedBytes,
      close: () => stream.close(),
    });
  }
}

/** Socket paths are limited to about 100 bytes, so not inside a bundle. */
function socketPath(): string {
  const name = `${process.pid}-${randomBytes(6).toString('hex')}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\cairn-${name}`;
  const runtime = process.env['XDG_RUNTIME_DIR'];
  const folder = runtime ? join(runtime, 'cairn') : join(tmpdir(), `cairn-${userInfo().uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if (uid !== userInfo().uid || (mode & 0o077) !== 0) {
    throw new ConfigError('UNSAFE_FOLDER', `${folder} is not private to you: remove it, or set XDG_RUNTIME_DIR to a folder that is.`);
  }
  return join(folder, `${name}.sock`);
}
