import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { ConfigError } from '#engine/errors/errors.ts';
import type { HostClient } from '../ipc/contract.ts';
import { encodeFrame, FRAME_SCANCODES, FRAME_SERIAL_OUT } from '../ipc/frames.ts';
import { MAX_CLIENT_MESSAGE_BYTES } from '../ipc/wire.ts';
import { startWebShell, type WebShell } from './web-shell.ts';

/** The smallest host: one VM, console 7, and a record of what reached it. */
class RecordingHost implements HostClient {
  readonly frames: Uint8Array[] = [];
  closed = false;
  private frameListener: ((frame: Uint8Array) => void) | undefined;
  request(name: string): Promise<never> {
    if (name === 'vm.list') return Promise.resolve([] as never);
    if (name === 'console.attach') return Promise.resolve({ handle: 7 } as never);
    return Promise.reject(new ConfigError('NO_SUCH_VM', 'there is no VM named "x"'));
  }
  on(): () => void {
    return () => {};
  }
  onFrame(listener: (frame: Uint8Array) => void): () => void {
    this.frameListener = listener;
    return () => {};
  }
  sendFrame(frame: Uint8Array): void {
    this.frames.push(frame);
  }
  close(): void {
    this.closed = true;
  }
  emit(frame: Uint8Array): void {
    this.frameListener?.(frame);
  }
}

let folder: string;
let shell: WebShell;
let hosts: RecordingHost[];

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'cairn-web-'));
  mkdirSync(path.join(folder, 'app/assets'), { recursive: true });
  writeFileSync(path.join(folder, 'app/index.html'), '<title>Cairn</title>');
  writeFileSync(path.join(folder, 'app/assets/a.js'), 'export {}');
  writeFileSync(path.join(folder, 'secret.json'), '{}');
  hosts = [];
  shell = await startWebShell(
    () => {
      const host = new RecordingHost();
      hosts.push(host);
      return host;
    },
    { filesFolder: path.join(folder, 'app') },
  );
});

afterEach(async () => {
  await shell.close();
  rmSync(folder, { recursive: true });
});

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** A raw request: fetch would tidy the path and forbid the Host header. */
function get(target: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const { hostname, port } = new URL(shell.url);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path: target, headers, method }, response => {
      let body = '';
      response
        .setEncoding('utf8')
        .on('data', text => {
          body += text;
        })
        .on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    })
      .on('error', reject)
      .end();
  });
}

const tokenPath = () => {
  const url = new URL(shell.url);
  return url.pathname + url.search;
};
const origin = () => new URL(shell.url).origin;
async function logIn(): Promise<string> {
  const answer = await get(tokenPath());
  return String(answer.headers['set-cookie']).split(';')[0]!;
}

/** The close code, or the HTTP status that refused the upgrade. */
function open(headers: Record<string, string>): Promise<WebSocket | number> {
  return new Promise(resolve => {
    const socket = new WebSocket(`${origin().replace('http', 'ws')}/socket`, { headers });
    socket.on('open', () => resolve(socket));
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
    socket.on('error', () => {});
  });
}
async function openOurs(): Promise<WebSocket> {
  const socket = await open({ Origin: origin(), Cookie: await logIn() });
  if (typeof socket === 'number') throw new Error(`refused with ${socket}`);
  return socket;
}
const nextMessage = (socket: WebSocket) =>
  new Promise<{ data: Buffer; binary: boolean }>(resolve =>
    socket.once('message', (data, binary) => resolve({ data: data as Buffer, binary })),
  );
const closeCode = (socket: WebSocket) => new Promise<number>(resolve => socket.once('close', resolve));

test('the token is exchanged for a cookie that opens the page, with its headers', async () => {
  const first = await get(tokenPath());
  expect(first.status).toBe(303);
  expect(first.headers.location).toBe('/');
  expect(String(first.headers['set-cookie'])).toMatch(/HttpOnly; SameSite=Strict/);
  const page = await get('/', { Cookie: await logIn() });
  expect(page).toMatchObject({ status: 200, body: '<title>Cairn</title>' });
  expect(page.headers['x-content-type-options']).toBe('nosniff');
  expect(page.headers['content-security-policy']).toMatch(/default-src 'none'; script-src 'self';/);
});

test('no token, a wrong token and a wrong cookie get nothing', async () => {
  expect((await get('/')).status).toBe(401);
  expect((await get('/?token=wrong')).status).toBe(403);
  const [name] = (await logIn()).split('=');
  expect((await get('/', { Cookie: `${name}=wrong` })).status).toBe(401);
  expect((await get('/assets/a.js')).status).toBe(401);
});

test('a foreign Host header gets nothing, even with the cookie', async () => {
  const Cookie = await logIn();
  for (const Host of ['evil.example', `evil.example:${new URL(shell.url).port}`, '127.0.0.1:1', '127.0.0.1']) {
    expect((await get('/', { Cookie, Host })).status).toBe(421);
  }
});

test('no path leads out of the folder', async () => {
  const Cookie = await logIn();
  for (const target of [
    '/../secret.json',
    '/assets/../../secret.json',
    '/%2e%2e/secret.json',
    '/..%2fsecret.json',
    '//secret.json',
    '/..\\secret.json',
    '/assets',
  ]) {
    expect([target, (await get(target, { Cookie })).status]).toEqual([target, 404]);
  }
  expect((await get('/assets/a.js', { Cookie })).status).toBe(200);
  expect((await get('/', { Cookie }, 'POST')).status).toBe(405);
});

test('a WebSocket needs our origin and the cookie', async () => {
  const Cookie = await logIn();
  expect(await open({ Cookie })).toBe(403);
  expect(await open({ Cookie, Origin: 'http://evil.example' })).toBe(403);
  expect(await open({ Cookie, Origin: 'http://evil.example', Host: 'evil.example' })).toBe(403);
  expect(await open({ Origin: origin() })).toBe(401);
  expect(hosts).toHaveLength(0);
});

test('requests are answered, errors come back as code and message', async () => {
  const socket = await openOurs();
  socket.send(JSON.stringify({ id: 1, name: 'vm.list', params: {} }));
  expect(JSON.parse((await nextMessage(socket)).data.toString())).toEqual({ id: 1, result: [] });
  socket.send(JSON.stringify({ id: 2, name: 'vm.show', params: { name: 'x' } }));
  expect(JSON.parse((await nextMessage(socket)).data.toString())).toEqual({
    id: 2,
    error: { code: 'NO_SUCH_VM', message: 'there is no VM named "x"' },
  });
  socket.send(JSON.stringify({ id: 3, name: 'vm.show', params: { name: '../x' } }));
  expect(JSON.parse((await nextMessage(socket)).data.toString())).toMatchObject({ id: 3, error: { code: 'BAD_REQUEST' } });
});

test('frames pass both ways, but only for consoles that this connection attached', async () => {
  const socket = await openOurs();
  const host = hosts[0]!;
  host.emit(encodeFrame(FRAME_SERIAL_OUT, 0, 7, Buffer.from('hello')));
  expect(await nextMessage(socket)).toEqual({ data: Buffer.from([1, 0, 7, 0, ...Buffer.from('hello')]), binary: true });
  const keys = encodeFrame(FRAME_SCANCODES, 0, 7, new Uint8Array([0x1e]));
  socket.send(keys);
  socket.send(JSON.stringify({ id: 1, name: 'console.attach', params: { name: 'x' } }));
  await nextMessage(socket);
  expect(host.frames).toHaveLength(0);
  socket.send(keys);
  socket.send(JSON.stringify({ id: 2, name: 'vm.list', params: {} }));
  await nextMessage(socket);
  expect(host.frames).toEqual([keys]);
});

test('garbage closes its own connection only', async () => {
  const good = await openOurs();
  const garbage: (string | Uint8Array)[] = [
    '{',
    '[]',
    '{"id":1,"name":"eval","params":{}}',
    '{"id":-1,"name":"vm.list","params":{}}',
    new Uint8Array(2),
    new Uint8Array([1, 0, 7, 0]),
    new Uint8Array([4, 9, 7, 0]),
    'x'.repeat(MAX_CLIENT_MESSAGE_BYTES + 1),
  ];
  for (const bytes of garbage) {
    const bad = await openOurs();
    const closed = closeCode(bad);
    bad.send(bytes);
    expect(await closed).toBe(bytes.length > MAX_CLIENT_MESSAGE_BYTES ? 1009 : 1008);
    expect(hosts.at(-1)?.closed).toBe(true);
  }
  good.send(JSON.stringify({ id: 1, name: 'vm.list', params: {} }));
  expect(JSON.parse((await nextMessage(good)).data.toString())).toEqual({ id: 1, result: [] });
  expect(hosts[0]?.closed).toBe(false);
});
