/** The one window of the app. */
import { BrowserWindow, nativeTheme } from 'electron';
import { APP_URL } from './app-protocol.ts';

export async function openMainWindow(preload: string): Promise<BrowserWindow> {
  const window = new BrowserWindow({
    width: 1360,
    height: 840,
    minWidth: 900,
    minHeight: 560,
    title: 'Cairn',
    show: false,
    // The window's own ground (styles/tokens.css), so that it does not flash white.
    backgroundColor: nativeTheme.shouldUseDarkColors ? '#121716' : '#e9ece9',
    webPreferences: { preload, contextIsolation: true, sandbox: true, nodeIntegration: false, webviewTag: false, spellcheck: false },
  });
  window.once('ready-to-show', () => window.show());
  await window.loadURL(APP_URL);
  return window;
}
