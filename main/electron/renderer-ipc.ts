/** The main process's side of the bridge. Each message's sender is checked: only the top frame of our own page is answered. */
import { BrowserWindow, dialog, ipcMain, MessageChannelMain, type IpcMainEvent, type IpcMainInvokeEvent } from 'electron';
import { IpcError } from '#engine/errors/errors.ts';
import { AcknowledgedPort } from '../ipc/acknowledged-port.ts';
import { IPC_CONNECT, IPC_KEYBOARD, IPC_PICK_FILE, IPC_PORT } from '../ipc/bridge.ts';
import type { HostClient } from '../ipc/contract.ts';
import { Session } from '../ipc/session.ts';
import { isOurPage } from './app-protocol.ts';

export function answerRenderers(connect: () => HostClient): void {
  ipcMain.on(IPC_CONNECT, event => {
    const frame = ourFrame(event);
    if (!frame) return;
    const { port1, port2 } = new MessageChannelMain();
    const far = new AcknowledgedPort(data => port2.postMessage(data));
    const session = new Session(connect(), {
      sendText: text => far.sendText(text),
      sendBinary: bytes => far.sendBinary(bytes),
      bufferedBytes: () => far.bufferedBytes(),
      close: () => port2.close(),
    });
    port2.on('message', ({ data }: { data: unknown }) => {
      if (typeof data === 'string') void session.receiveText(data);
      else if (data instanceof Uint8Array) session.receiveBinary(data);
      else if (typeof data !== 'number') session.refuse('a message is neither text, nor bytes, nor what was taken');
      else if (!far.acknowledge(data)) session.refuse('more was taken than was sent');
    });
    port2.on('close', () => {
      far.letGo();
      session.close();
    });
    port2.start();
    frame.postMessage(IPC_PORT, null, [port1]);
  });

  ipcMain.on(IPC_KEYBOARD, (event, captured: unknown) => {
    if (ourFrame(event)) event.sender.setIgnoreMenuShortcuts(captured === true);
  });

  ipcMain.handle(IPC_PICK_FILE, async (event, title: unknown) => {
    if (!ourFrame(event)) throw new IpcError('FOREIGN_SENDER', 'this page may not ask for files');
    const options = { title: String(title).slice(0, 100), properties: ['openFile' as const] };
    const owner = BrowserWindow.fromWebContents(event.sender);
    const { canceled, filePaths } = await (owner ? dialog.showOpenDialog(owner, options) : dialog.showOpenDialog(options));
    return canceled ? undefined : filePaths[0];
  });
}

function ourFrame(event: IpcMainEvent | IpcMainInvokeEvent): Electron.WebFrameMain | undefined {
  const frame = event.senderFrame;
  return frame && frame.parent === null && isOurPage(frame.url) ? frame : undefined;
}
