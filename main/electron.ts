/**
 * The Electron shell: a window on the host service, and as little else as possible. The same service runs under plain Node for the
 * web shell and the command line.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { app, BrowserWindow, dialog, Menu } from 'electron';
import { messageOf } from '#engine/errors/errors.ts';
import { demoOffer, openDemo } from './demo.ts';
import { serveApp, registerAppScheme } from './electron/app-protocol.ts';
import { hardenApp, hardenSession } from './electron/hardening.ts';
import { passphraseOfEnvironment } from './passphrase-file.ts';
import { readHostPower, watchHostPower } from './electron/host-power.ts';
import { openMainWindow } from './electron/main-window.ts';
import { buildMenu } from './electron/menu.ts';
import { answerRenderers } from './electron/renderer-ipc.ts';
import { HostService } from './host-service.ts';
import { IPC_MENU } from './ipc/bridge.ts';
import { defaultLibraryPath } from './library.ts';
import { sourceFiles, WorldManager, type WorldFiles } from './world-manager.ts';

const fromSource = import.meta.filename.endsWith('.ts');
/** The repository, or the packed app: both have dist/ and build/. */
const root = path.resolve(import.meta.dirname, fromSource ? '..' : '../..');

/** Threads and WebAssembly are started from real files, outside the archive that holds the rest (electron-builder.yml, asarUnpack). */
function packedFiles(): WorldFiles {
  const file = (name: string) => pathToFileURL(path.join(root.replace(/app\.asar$/, 'app.asar.unpacked'), name));
  return {
    core: file('build/engine.wasm'),
    vcpuEntry: file('dist/main/vcpu-worker.js'),
    checkpointEntry: file('dist/main/checkpoint-worker.js'),
    diskEntry: file('dist/main/disk-worker.js'),
    pulseEntry: file('dist/main/pulse.js'),
  };
}

async function run(): Promise<void> {
  const service = new HostService({
    libraryPath: defaultLibraryPath(),
    version: app.getVersion(),
    worlds: new WorldManager(fromSource ? sourceFiles : packedFiles()),
    demo: demoOffer(process.env),
    readPower: readHostPower,
    passphrase: () => passphraseOfEnvironment(process.env),
  });
  serveApp(path.join(root, 'dist/renderer'));
  hardenSession();
  answerRenderers(() => service.connect());
  Menu.setApplicationMenu(
    buildMenu(process.platform, command => {
      (BrowserWindow.getFocusedWindow() ?? BrowserWindow.getAllWindows()[0])?.webContents.send(IPC_MENU, command);
    }),
  );

  const open = () => openMainWindow(path.join(root, 'dist/main/preload.cjs'));
  app.on('second-instance', () => {
    const window = BrowserWindow.getAllWindows()[0];
    if (window?.isMinimized()) window.restore();
    window?.focus();
  });
  app.on('activate', () => {
    if (BrowserWindow.getAllWindows().length === 0) void open();
  });
  app.on('window-all-closed', () => app.quit());
  const quitUnasked = endWithService(service);
  watchHostPower(service, quitUnasked);
  await open();
  await openDemo(service.connect(), process.env).catch((error: unknown) => {
    dialog.showErrorBox('The demo machine cannot start', messageOf(error));
  });
}

/** Quitting stops the machines that run here: the user is asked, and the service is closed before the process ends. Answers how to quit without asking. */
function endWithService(service: HostService): () => void {
  let closed = false;
  let asks = true;
  app.on('before-quit', event => {
    if (closed) return;
    event.preventDefault();
    void (async () => {
      const client = service.connect();
      const vms = await client.request('vm.list', {});
      const live = vms.filter(vm => !vm.ownedElsewhere && vm.state !== 'off' && vm.state !== 'crashed').map(vm => vm.name);
      if (live.length > 0 && asks) {
        const { response } = await dialog.showMessageBox({
          type: 'warning',
          message: live.length === 1 ? `${live[0]} is running.` : `${live.length} machines are running.`,
          detail: 'Quitting Cairn is like pulling the plug: what is in memory is lost, checkpoints stay.',
          buttons: ['Cancel', 'Quit'],
          defaultId: 0,
          cancelId: 0,
        });
        if (response === 0) {
          if (BrowserWindow.getAllWindows().length === 0) app.emit('activate');
          return;
        }
      }
      await service.close();
      closed = true;
      app.quit();
    })();
  });
  return () => {
    asks = false;
    app.quit();
  };
}

if (app.requestSingleInstanceLock()) {
  registerAppScheme();
  hardenApp();
  app
    .whenReady()
    .then(run)
    .catch((error: unknown) => {
      dialog.showErrorBox('Cairn cannot start', messageOf(error));
      app.exit(1);
    });
} else {
  app.quit(); // the first instance shows its window
}
