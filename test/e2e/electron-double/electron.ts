/**
 * A double of the `electron` module over a real Chromium: windows are pages, cairn:// is answered through the registered protocol
 * handler, the preload runs before the page, ports carry messages both ways. What it can't prove: context isolation, the sandbox,
 * native windows and menus, and the exact moment at which Electron delivers things.
 */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.ts';

/** Chromium opens no unknown scheme: the app's origin is shown to it under this one, and to the app under its own. */
const OUTSIDE = 'https://cairn-app.invalid';
const INSIDE = 'cairn://app';

type Handler = (request: Request) => Promise<Response>;
type Listener = (...args: never[]) => unknown;

/** What a test may look at and do. */
export const double = {
  windows: [] as BrowserWindow[],
  handler: undefined as Handler | undefined,
  permissionRequest: undefined as ((contents: unknown, permission: string, answer: (allowed: boolean) => void) => void) | undefined,
  menu: undefined as Menu | undefined,
  invoked: new Map<string, Listener>(),
  quits: 0,
  browser: undefined as Browser | undefined,
  pickedFile: undefined as string | undefined,
};

class App extends EventEmitter {
  requestSingleInstanceLock = () => process.env['CAIRN_TEST_SECOND_INSTANCE'] !== '1';
  whenReady = () => Promise.resolve();
  getVersion = () => '0.0.0-test';
  quit(): void {
    double.quits++;
    const event = {
      prevented: false,
      preventDefault() {
        this.prevented = true;
      },
    };
    this.emit('before-quit', event);
    if (!event.prevented) void double.browser?.close();
  }
  exit(code: number): void {
    process.exit(code);
  }
}
export const app = new App();

class PowerMonitor extends EventEmitter {
  isOnBatteryPower = () => false;
}
export const powerMonitor = new PowerMonitor();

export const protocol = {
  schemes: [] as unknown[],
  registerSchemesAsPrivileged(schemes: unknown[]): void {
    this.schemes = schemes;
  },
  handle(_scheme: string, handler: Handler): void {
    double.handler = handler;
  },
};

export const session = {
  defaultSession: {
    setPermissionRequestHandler(handler: typeof double.permissionRequest): void {
      double.permissionRequest = handler;
    },
    setPermissionCheckHandler(): void {},
  },
};

class IpcMain extends EventEmitter {
  handle(channel: string, listener: Listener): void {
    double.invoked.set(channel, listener);
  }
}
export const ipcMain = new IpcMain();

/** One end is kept by main; the other is a number that the page turns into a MessagePort of its own. */
export class PortMain extends EventEmitter {
  static next = 1;
  static readonly byId = new Map<number, PortMain>();
  readonly id = PortMain.next++;
  /** What waits for a page: for ever when there is none. */
  readonly queue: unknown[] = [];
  sentBytes = 0;
  takenBytes = 0;
  isClosed = false;
  private page: Page | undefined;
  constructor() {
    super();
    PortMain.byId.set(this.id, this);
  }
  start(): void {}
  close(): void {
    this.isClosed = true;
    this.emit('close');
  }
  postMessage(data: unknown): void {
    this.sentBytes += (data as string | Uint8Array).length;
    if (this.page) this.toPage(this.page, data);
    else this.queue.push(data);
  }
  deliverTo(page: Page): void {
    this.page = page;
    for (const data of this.queue.splice(0)) this.toPage(page, data);
  }
  private toPage(page: Page, data: unknown): void {
    const plain = typeof data === 'string' ? data : [...(data as Uint8Array)];
    const message = [this.id, plain] as const;
    void page.evaluate(([id, value]) => (window as unknown as PageDouble).cairnDeliver(id, value), message).catch(() => {}); // closed meanwhile
  }
}
interface PageDouble {
  cairnDeliver(id: number, value: string | number[]): void;
  cairnEvent(channel: string, args: unknown[], ports: number[]): void;
}

export class MessageChannelMain {
  readonly port2 = new PortMain();
  readonly port1 = { far: this.port2 };
}

class WebContents extends EventEmitter {
  openHandler: ((details: { url: string }) => { action: string }) | undefined;
  menuShortcutsIgnored = false;
  page: Page | undefined;
  setWindowOpenHandler(handler: (details: { url: string }) => { action: string }): void {
    this.openHandler = handler;
  }
  setIgnoreMenuShortcuts(ignored: boolean): void {
    this.menuShortcutsIgnored = ignored;
  }
  send(channel: string, ...args: unknown[]): void {
    void this.event(channel, args, []);
  }
  event(channel: string, args: unknown[], ports: number[]): Promise<void> | undefined {
    return this.page?.evaluate(
      ([name, values, ids]) => (window as unknown as PageDouble).cairnEvent(name as string, values as unknown[], ids as number[]),
      [channel, args, ports] as const,
    );
  }
}

export class BrowserWindow extends EventEmitter {
  readonly webContents = new WebContents();
  readonly options: { webPreferences: { preload: string } & Record<string, unknown> };
  shown = false;
  constructor(options: BrowserWindow['options']) {
    super();
    this.options = options;
    double.windows.push(this);
    app.emit('web-contents-created', {}, this.webContents);
  }
  static getAllWindows = () => double.windows;
  static getFocusedWindow = () => double.windows[0];
  static fromWebContents = (contents: unknown) => double.windows.find(window => window.webContents === contents);
  show(): void {
    this.shown = true;
  }
  focus(): void {}
  isMinimized = () => false;

  async loadURL(url: string): Promise<void> {
    double.browser ??= await launchChromium();
    const page = await double.browser.newPage({ viewport: { width: 1360, height: 820 } });
    this.webContents.page = page;
    await page.route(`${OUTSIDE}/**`, async route => {
      const response = await double.handler!(new Request(route.request().url().replace(OUTSIDE, INSIDE)));
      await route.fulfill({
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: Buffer.from(await response.arrayBuffer()),
      });
    });
    await page.exposeBinding('cairnToMain', (_source, kind: string, channel: string, value: unknown) =>
      this.fromPage(kind, channel, value),
    );
    await page.addInitScript({ content: preloadScript(readFileSync(this.options.webPreferences.preload, 'utf8')) });
    await page.goto(url.replace(INSIDE, OUTSIDE));
    this.emit('ready-to-show');
  }

  private fromPage(kind: string, channel: string, value: unknown): unknown {
    const page = this.webContents.page!;
    if (kind === 'port') {
      const port = PortMain.byId.get(Number(channel));
      if (port && typeof value === 'number') port.takenBytes = value;
      port?.emit('message', { data: Array.isArray(value) ? Uint8Array.from(value as number[]) : value });
      return undefined;
    }
    const event = senderEvent(page.url().replace(OUTSIDE, INSIDE), this.webContents);
    if (kind === 'invoke') return (double.invoked.get(channel) as (event: unknown, value: unknown) => unknown)(event, value);
    return ipcMain.emit(channel, event, value);
  }
}

/** An ipcMain event whose frame posts ports to the page, and records them when there is no page. */
export function senderEvent(url: string, sender: WebContents | undefined, parent: unknown = null) {
  const posted: string[] = [];
  return {
    sender,
    posted,
    senderFrame: {
      url,
      parent,
      postMessage(channel: string, _data: unknown, ports: { far: PortMain }[]) {
        posted.push(channel);
        const page = sender?.page;
        if (page)
          void sender
            .event(
              channel,
              [],
              ports.map(port => port.far.id),
            )
            ?.then(() => ports.forEach(port => port.far.deliverTo(page)));
      },
    },
  };
}

export class Menu {
  readonly template: MenuItem[];
  constructor(template: MenuItem[]) {
    this.template = template;
  }
  static buildFromTemplate = (template: MenuItem[]) => new Menu(template);
  static setApplicationMenu(menu: Menu): void {
    double.menu = menu;
  }
  click(...path: string[]): void {
    let items: MenuItem[] | undefined = this.template;
    let item: MenuItem | undefined;
    for (const label of path) {
      item = items?.find(candidate => candidate.label === label);
      items = item?.submenu;
    }
    if (!item?.click) throw new Error(`the menu has no ${path.join(' > ')}`);
    item.click();
  }
}
interface MenuItem {
  label?: string;
  role?: string;
  submenu?: MenuItem[];
  click?: () => void;
}

export const dialog = {
  showErrorBox(title: string, text: string): void {
    console.error(`${title}: ${text}`);
  },
  showMessageBox: () => Promise.resolve({ response: 1 }),
  showOpenDialog: () =>
    Promise.resolve(
      double.pickedFile === undefined ? { canceled: true, filePaths: [] } : { canceled: false, filePaths: [double.pickedFile] },
    ),
};

export const nativeTheme = { shouldUseDarkColors: true };

/** The preload as Electron would run it, with the page's side of this double as its `electron`. */
function preloadScript(source: string): string {
  return `(() => {
    if (window !== window.top) return;
    const listeners = new Map();
    const ports = new Map();
    window.cairnDeliver = (id, value) => ports.get(id).postMessage(typeof value === 'string' ? value : Uint8Array.from(value));
    window.cairnEvent = (channel, args, ids) => {
      const far = ids.map(id => {
        const { port1, port2 } = new MessageChannel();
        ports.set(id, port1);
        port1.onmessage = ({ data }) => window.cairnToMain('port', String(id), data instanceof Uint8Array ? [...data] : data);
        return port2;
      });
      for (const listener of listeners.get(channel) ?? []) listener({ ports: far }, ...args);
    };
    const electron = {
      contextBridge: { exposeInMainWorld: (name, api) => { window[name] = api; } },
      ipcRenderer: {
        send: (channel, value) => void window.cairnToMain('send', channel, value),
        invoke: (channel, value) => window.cairnToMain('invoke', channel, value),
        on: (channel, listener) => listeners.set(channel, [...(listeners.get(channel) ?? []), listener]),
      },
    };
    const require = name => { if (name === 'electron') return electron; throw new Error('a sandboxed preload cannot require ' + name); };
    const module = { exports: {} };
    const exports = module.exports;
    ${source.replace(/^\/\/# sourceMappingURL.*$/m, '')}
  })()`;
}
