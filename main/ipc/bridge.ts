/** What the Electron preload adds to the window: the only way from the sandboxed renderer to the main process. */
export interface CairnBridge {
  /** Asks main for a connection; it arrives as a window message { kind: BRIDGE_PORT_MESSAGE } that carries one MessagePort. */
  connect(): void;
  /** The system's file dialog; undefined when the user gives up. */
  pickFile(title: string): Promise<string | undefined>;
}

export const BRIDGE_PORT_MESSAGE = 'cairn:port';
/** Channels of ipcMain/ipcRenderer. Requests do not pass here: they use the MessagePort. */
export const IPC_CONNECT = 'cairn:connect';
export const IPC_PORT = 'cairn:port';
export const IPC_PICK_FILE = 'cairn:pick-file';
/** Main → renderer, on the port: a command chosen in the application's menu. */
export const MENU_COMMANDS = ['new-vm', 'start', 'pause', 'take-checkpoint', 'show-screen', 'show-serial'] as const;
export type MenuCommand = (typeof MENU_COMMANDS)[number];
