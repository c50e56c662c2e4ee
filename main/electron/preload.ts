/** Runs in the sandboxed renderer before its page, in a world of its own: hands over the bridge and passes the port on. */
import { contextBridge, ipcRenderer } from 'electron';
import {
  BRIDGE_PORT_MESSAGE,
  IPC_CONNECT,
  IPC_KEYBOARD,
  IPC_MENU,
  IPC_PICK_FILE,
  IPC_PORT,
  type CairnBridge,
  type MenuCommand,
} from '../ipc/bridge.ts';

const bridge: CairnBridge = {
  connect: () => ipcRenderer.send(IPC_CONNECT),
  pickFile: title => ipcRenderer.invoke(IPC_PICK_FILE, title) as Promise<string | undefined>,
  setKeyboardCaptured: captured => ipcRenderer.send(IPC_KEYBOARD, captured),
  onMenu: listener => {
    ipcRenderer.on(IPC_MENU, (_event, command: MenuCommand) => listener(command));
  },
};
contextBridge.exposeInMainWorld('cairn', bridge);

// A port cannot cross the context bridge; it can cross as a message to our own window.
ipcRenderer.on(IPC_PORT, event => window.postMessage({ kind: BRIDGE_PORT_MESSAGE }, '*', [...event.ports]));
