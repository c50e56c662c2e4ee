/**
 * Who may talk to the web shell. A random token in the printed address is exchanged for a cookie; the Host header must be ours, so
 * that a name that was re-bound to 127.0.0.1 gets nothing; and a WebSocket must come from a page of ours.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export class Access {
  readonly token = randomBytes(24).toString('base64url');
  private readonly session = randomBytes(24).toString('base64url');
  private readonly port: number;

  constructor(port: number) {
    this.port = port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/?token=${this.token}`;
  }

  /** Cookies are shared by all ports of a host: two Cairns must not overwrite each other's. */
  private get cookieName(): string {
    return `cairn-${this.port}`;
  }

  get setCookie(): string {
    return `${this.cookieName}=${this.session}; Path=/; HttpOnly; SameSite=Strict`;
  }

  hostIsOurs(request: IncomingMessage): boolean {
    const host = request.headers.host;
    return host === `127.0.0.1:${this.port}` || host === `localhost:${this.port}`;
  }

  /** The page's own origin, under the very name that it was opened with. */
  originIsOurs(request: IncomingMessage): boolean {
    return this.hostIsOurs(request) && request.headers.origin === `http://${request.headers.host}`;
  }

  tokenIsRight(token: string): boolean {
    return equal(token, this.token);
  }

  cookieIsRight(request: IncomingMessage): boolean {
    for (const pair of (request.headers.cookie ?? '').split(';')) {
      const [name, value] = pair.trim().split('=', 2);
      if (name === this.cookieName && value !== undefined && equal(value, this.session)) return true;
    }
    return false;
  }
}

function equal(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
