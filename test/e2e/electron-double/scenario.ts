/** Runs in a process of its own: starts the unmodified main/electron.ts on the double and prints what it saw as one JSON line. */
import { app, double, ipcMain, PortMain, senderEvent } from './electron.ts';
import { IPC_CONNECT, IPC_KEYBOARD, IPC_PICK_FILE } from '#main/ipc/bridge.ts';
import { demo } from '#test/support/guests.ts';

await import('#main/electron.ts');
const report: Record<string, unknown> = {};

if (process.env['CAIRN_TEST_SECOND_INSTANCE'] === '1') {
  report['quits'] = double.quits;
  report['windows'] = double.windows.length;
} else {
  const window = await until(() => double.windows[0]);
  const page = await until(() => window.webContents.page);
  await page.getByText('A computer with an undo button').waitFor();
  report['title'] = await page.title();
  report['shown'] = window.shown;
  const { preload: _path, ...preferences } = window.options.webPreferences;
  report['preferences'] = preferences;

  const ask = async (url: string, method = 'GET') => {
    const response = await double.handler!(new Request(url, { method }));
    return {
      status: response.status,
      csp: response.headers.get('content-security-policy')?.slice(0, 37),
      nosniff: response.headers.get('x-content-type-options'),
    };
  };
  report['index'] = await ask('cairn://app/index.html');
  report['refused'] = await Promise.all(
    [
      ask('cairn://app/../../package.json'),
      ask('cairn://app/%2e%2e/%2e%2e/package.json'),
      ask('cairn://app/..%2f..%2fpackage.json'),
      ask('cairn://other/index.html'),
      ask('cairn://app/index.html', 'POST'),
    ].map(async answer => (await answer).status),
  );

  const foreign = [
    senderEvent('https://evil.example/', undefined),
    senderEvent('cairn://evil/index.html', undefined),
    senderEvent('file:///index.html', undefined),
    senderEvent('cairn://app/index.html', undefined, {}),
  ];
  for (const event of foreign) ipcMain.emit(IPC_CONNECT, event);
  for (const event of foreign) ipcMain.emit(IPC_KEYBOARD, event, true);
  report['foreignPorts'] = foreign.flatMap(event => event.posted);
  const pick = double.invoked.get(IPC_PICK_FILE) as unknown as (event: unknown, title: string) => Promise<unknown>;
  report['foreignPicks'] = await Promise.all(
    foreign.map(event =>
      pick(event, 'x').then(
        () => 'answered',
        (error: { code: string }) => error.code,
      ),
    ),
  );

  report['windowOpen'] = window.webContents.openHandler?.({ url: 'https://evil.example/' }).action;
  const prevented = (event: string, url: string) => {
    let stopped = false;
    window.webContents.emit(event, {
      url,
      preventDefault: () => {
        stopped = true;
      },
    });
    return stopped;
  };
  report['navigation'] = [
    prevented('will-navigate', 'https://evil.example/'),
    prevented('will-attach-webview', ''),
    prevented('will-navigate', 'cairn://app/index.html'),
  ];
  report['permission'] = await new Promise(resolve => double.permissionRequest?.(undefined, 'media', resolve));

  // The menu opens the dialog, the dialog makes a VM through the bridge, the list shows it.
  double.pickedFile = demo.kernel(); // a VM is only made of files that are there
  double.menu?.click('File', 'New Virtual Machine…');
  await page.getByLabel('Name').fill('From the shell');
  await page.getByRole('button', { name: 'Choose Kernel' }).click();
  report['kernel'] = await page.getByRole('textbox', { name: 'Kernel', exact: true }).inputValue();
  await page.getByRole('button', { name: 'Create' }).click();
  await page.getByRole('option', { name: /From the shell/ }).waitFor();
  report['vm'] = await page.getByRole('heading', { name: 'From the shell' }).textContent();

  // The window has taken all that it was sent. A page that reads nothing is let go while what waits for it is still small.
  const [read] = PortMain.byId.values();
  report['taken'] = (await until(() => read!.takenBytes === read!.sentBytes)) && read!.takenBytes > 0 && !read!.isClosed;
  ipcMain.emit(IPC_CONNECT, senderEvent('cairn://app/index.html', undefined));
  const unread = [...PortMain.byId.values()].at(-1)!;
  const most = 64 << 20;
  const config = { memoryMiB: 16, append: '', debugExit: false, noReboot: false, kernel: `/${'x'.repeat(4000)}` };
  while (!unread.isClosed && unread.sentBytes < most) {
    const wanted = unread.queue.length + 50;
    for (let id = 0; id < 50; id++)
      unread.emit('message', { data: JSON.stringify({ id, name: 'vm.create', params: { name: 'none', config } }) });
    await until(() => unread.isClosed || unread.queue.length >= wanted);
  }
  report['letGo'] = { isClosed: unread.isClosed, isSmall: unread.sentBytes < 24 << 20, wasPatient: unread.sentBytes > 8 << 20 };
  app.quit();
  await until(() => !double.browser?.isConnected());
}
process.stdout.write(`${JSON.stringify(report)}\n`);

async function until<T>(look: () => T): Promise<NonNullable<T>> {
  for (;;) {
    const found = look();
    if (found) return found as NonNullable<T>;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}
