/**
 * The app in a browser of this machine: static files over HTTP and the contract over one WebSocket, on 127.0.0.1 and nowhere else.
 * access.ts decides who gets in; Session checks every message.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { ConfigError } from '#engine/errors/errors.ts';
import { AppFiles, securityHeaders } from '../app-files/app-files.ts';
import type { HostClient } from '../ipc/contract.ts';
import { Session } from '../ipc/session.ts';
import { MAX_CLIENT_MESSAGE_BYTES } from '../ipc/wire.ts';
import { Access } from './access.ts';

export interface WebShellOptions {
  /** 0 or undefined: any free port. */
  readonly port?: number;
  /** The built renderer (dist/renderer). */
  readonly filesFolder: string;
}

export interface WebShell {
  /** With the token in it: whoever has it commands the VMs. */
  readonly url: string;
  close(): Promise<void>;
}

const SOCKET_PATH = '/socket';
const MAX_CONNECTIONS = 16;
/** More than this unsent: the browser is behind, and senders that can wait do. */
const BUSY_BYTES = 1024 * 1024;
const PING_INTERVAL_MS = 20_000;
/** WebSocket close codes (RFC 6455 section 7.4.1). */
const CLOSE_GOING_AWAY = 1001;
const CLOSE_POLICY = 1008;

/** `connect` opens one client of the host service per connection; it is closed with the connection. */
export async function startWebShell(connect: () => HostClient, options: WebShellOptions): Promise<WebShell> {
  const files = new AppFiles(options.filesFolder);
  const http = createServer();
  const port = await listen(http, options.port ?? 0);
  const access = new Access(port);
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_CLIENT_MESSAGE_BYTES, perMessageDeflate: false });

  http.on('request', (request, response) => void answer(request, response, access, files));
  http.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const refusal = refuseUpgrade(request, access, sockets.clients.size);
    if (refusal !== undefined) return endUpgrade(socket, refusal);
    sockets.handleUpgrade(request, socket, head, webSocket => serve(webSocket, connect()));
  });
  const pinger = setInterval(() => {
    for (const webSocket of sockets.clients) webSocket.ping();
  }, PING_INTERVAL_MS);
  pinger.unref();

  return {
    url: access.url,
    async close() {
      clearInterval(pinger);
      for (const webSocket of sockets.clients) webSocket.close(CLOSE_GOING_AWAY, 'Cairn is closing');
      const closed = new Promise<void>(resolve => http.close(() => resolve()));
      setTimeout(() => {
        for (const webSocket of sockets.clients) webSocket.terminate();
        http.closeAllConnections();
      }, 200).unref();
      await closed;
    },
  };
}

function listen(http: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    http.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new ConfigError(
          'PORT',
          cause.code === 'EADDRINUSE'
            ? `port ${port} is in use by another program: choose another one or leave it out`
            : `the web shell cannot listen on port ${port}: ${cause.message}`,
          { cause },
        ),
      );
    });
    http.listen(port, '127.0.0.1', () => resolve((http.address() as { port: number }).port));
  });
}

async function answer(request: IncomingMessage, response: ServerResponse, access: Access, files: AppFiles): Promise<void> {
  response.setHeaders(new Headers(securityHeaders(`'self' ws://${access.hostIsOurs(request) ? request.headers.host : 'invalid'}`)));
  response.setHeader('Cache-Control', 'no-store');
  if (!access.hostIsOurs(request)) return plain(response, 421, 'This address is not served here.');
  if (request.method !== 'GET' && request.method !== 'HEAD') return plain(response, 405, 'Only GET and HEAD are served.');
  const [pathname = '/', query = ''] = (request.url ?? '/').split('?', 2);
  const token = new URLSearchParams(query).get('token');
  if (pathname === '/' && token !== null) {
    if (!access.tokenIsRight(token)) return plain(response, 403, 'This address is out of date: open the one that Cairn printed last.');
    response.setHeader('Set-Cookie', access.setCookie);
    response.setHeader('Location', '/');
    return plain(response, 303, 'Opening Cairn.');
  }
  if (!access.cookieIsRight(request)) return plain(response, 401, 'Open the address that Cairn printed: the key to this page is in it.');
  const file = files.find(pathname);
  if (!file) return plain(response, 404, 'There is no such page.');
  try {
    const body = await file.read();
    response.setHeader('Content-Type', file.type);
    if (file.immutable) response.setHeader('Cache-Control', 'private, max-age=31536000, immutable');
    response.setHeader('Content-Length', body.length);
    response.writeHead(200).end(request.method === 'HEAD' ? undefined : body);
  } catch {
    plain(response, 404, 'This file has gone: was Cairn rebuilt meanwhile? Start it again.');
  }
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.writeHead(status).end(`${text}\n`);
}

/** The HTTP status to refuse an upgrade with, if it is to be refused. */
function refuseUpgrade(request: IncomingMessage, access: Access, connections: number): string | undefined {
  if (request.url !== SOCKET_PATH) return '404 Not Found';
  if (!access.originIsOurs(request)) return '403 Forbidden';
  if (!access.cookieIsRight(request)) return '401 Unauthorized';
  if (connections >= MAX_CONNECTIONS) return '503 Service Unavailable';
  return undefined;
}

function endUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function serve(webSocket: WebSocket, host: HostClient): void {
  const session = new Session(host, {
    sendText: text => webSocket.send(text),
    sendBinary: bytes => {
      if (webSocket.bufferedAmount < BUSY_BYTES) return webSocket.send(bytes, { binary: true });
      return new Promise(resolve => webSocket.send(bytes, { binary: true }, () => resolve()));
    },
    bufferedBytes: () => webSocket.bufferedAmount,
    close: reason => webSocket.close(CLOSE_POLICY, reason),
  });
  webSocket.on('message', (data, binary) => {
    if (binary) session.receiveBinary(toBytes(data));
    else void session.receiveText(toBytes(data).toString('utf8'));
  });
  webSocket.on('close', () => session.close());
  webSocket.on('error', () => webSocket.terminate()); // oversized or malformed: this connection only
}

function toBytes(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
