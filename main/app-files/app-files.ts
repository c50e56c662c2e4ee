/**
 * The built renderer as a closed list: every file is found once at start, and a request is only ever looked up in that list. A
 * path that climbs out of the folder is therefore not refused but simply unknown.
 */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ConfigError } from '#engine/errors/errors.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
};

export interface AppFile {
  readonly type: string;
  /** True for files that Vite names by their content. */
  readonly immutable: boolean;
  read(): Promise<Buffer<ArrayBuffer>>;
}

export class AppFiles {
  private readonly files = new Map<string, AppFile>();

  constructor(folder: string) {
    let names: string[];
    try {
      names = readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter(entry => entry.isFile())
        .map(entry => path.relative(folder, path.join(entry.parentPath, entry.name)));
    } catch (cause) {
      throw new ConfigError('NOT_BUILT', `the window's files are not in ${folder}: run "npm run build" first`, { cause });
    }
    for (const name of names) {
      const type = TYPES[path.extname(name)];
      if (!type) continue;
      const full = path.join(folder, name);
      const url = `/${name.split(path.sep).join('/')}`;
      this.files.set(url, { type, immutable: url.startsWith('/assets/'), read: () => readFile(full) as Promise<Buffer<ArrayBuffer>> });
    }
    const index = this.files.get('/index.html');
    if (!index) throw new ConfigError('NOT_BUILT', `the window's files are not in ${folder}: run "npm run build" first`);
    this.files.set('/', index);
  }

  /** `pathname` as it stands in the URL; no decoding is done, as no file of ours needs it. */
  find(pathname: string): AppFile | undefined {
    return this.files.get(pathname);
  }
}

/** `connect` names where the page may open sockets to. xterm.js and React set styles at run time, hence the inline styles. */
export function contentSecurityPolicy(connect: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src ${connect}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

export function securityHeaders(connect: string): Record<string, string> {
  return {
    'Content-Security-Policy': contentSecurityPolicy(connect),
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
  };
}
