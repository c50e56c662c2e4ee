/** cairn://app/ serves the built renderer and nothing else. */
import { protocol } from 'electron';
import { AppFiles, securityHeaders } from '../app-files/app-files.ts';

const SCHEME = 'cairn';
const HOST = 'app';
export const APP_ORIGIN = `${SCHEME}://${HOST}`;
export const APP_URL = `${APP_ORIGIN}/index.html`;

/** Before the app is ready. */
export function registerAppScheme(): void {
  protocol.registerSchemesAsPrivileged([{ scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true } }]);
}

export function serveApp(folder: string): void {
  const files = new AppFiles(folder);
  protocol.handle(SCHEME, async request => {
    const url = new URL(request.url);
    const file = url.host === HOST && request.method === 'GET' ? files.find(url.pathname) : undefined;
    if (!file) return new Response('There is no such page.', { status: 404, headers: securityHeaders("'none'") });
    return new Response(await file.read(), { headers: { ...securityHeaders("'none'"), 'Content-Type': file.type } });
  });
}

/** Is this page ours? Everything that arrives from a renderer is asked first. */
export function isOurPage(url: string | undefined): boolean {
  return url !== undefined && URL.canParse(url) && new URL(url).protocol === `${SCHEME}:` && new URL(url).host === HOST;
}
