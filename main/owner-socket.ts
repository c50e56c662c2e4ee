/**
 * Where the process that owns VMs takes commands from other Cairn processes of the same user: a Unix socket (a named pipe on Windows) in a
 * folder that only that user may enter (socket-folder.ts), with its pulse beside it. What arrives is checked by Session like everything else.
 */
import { chmodSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Worker } from 'node:worker_threads';
import { ConfigError } from '#engine/errors/errors.ts';
import { hearThatTheyLeft } from './asker.ts';
import type { HostClient } from './ipc/contract.ts';
import { Session } from './ipc/session.ts';
import { MessageStream } from './ipc/stream.ts';
import { MAX_CLIENT_MESSAGE_BYTES } from './ipc/wire.ts';
import { startPulse } from './pulse.ts';
import { newSocketPath, removeSocket } from './socket-folder.ts';

export class OwnerSocket {
  readonly path: string;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  private pulse: Worker | undefined;
  /** Also when the process ends in another way than by close(). */
  private readonly remove = () => removeSocket(this.path);

  private constructor(path: string, server: Server) {
    this.path = path;
    this.server = server;
    process.once('exit', this.remove);
  }

  /** `pulseEntry`: native-free-worker/pulse.ts. */
  static async listen(connect: () => HostClient, pulseEntry: URL): Promise<OwnerSocket> {
    const path = newSocketPath();
    const server = createServer();
    const owner = new OwnerSocket(path, server);
    server.on('connection', socket => owner.serve(socket, connect()));
    await new Promise<void>((resolve, reject) => {
      server.once('error', cause => reject(new ConfigError('SOCKET', `${path} cannot be listened on: ${cause.message}.`, { cause })));
      server.listen(path, resolve);
    });
    if (process.platform !== 'win32') chmodSync(path, 0o600);
    server.unref();
    owner.pulse = await startPulse(pulseEntry, path).catch(() => undefined); // others cannot tell then whether it is frozen
    return owner;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroySoon();
    this.server.close();
    void this.pulse?.terminate();
    process.off('exit', this.remove);
    this.remove();
  }

  private serve(socket: Socket, host: HostClient): void {
    this.sockets.add(socket);
    socket.unref();
    const stream = new MessageStream(socket, MAX_CLIENT_MESSAGE_BYTES, {
      text: text => void hearThatTheyLeft().then(() => session.receiveText(text)),
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
