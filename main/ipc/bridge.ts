/** What the Electron preload adds to the window (window.cairn): the only way from the sandboxed renderer to the main process. */
export interface CairnBridge {
  /** Asks main for a connection; it arrives as a window message { kind: BRIDGE_PORT_MESSAGE } that carries one MessagePort. */
  connect(): void;
  /** The system's file dialog; undefined when the user gives up. */
  pickFile(title: string): Promise<string | undefined>;
  /** While the guest has the keyboard, the application's menu must not take its keys. */
  setKeyboardCaptured(captured: boolean): void;
  onMenu(listener: (command: MenuCommand) => void): void;
}

/** Chosen in the application's menu, about the selected VM where it needs one. */
export type MenuCommand = 'new-vm' | 'start' | 'pause' | 'take-checkpoint' | 'power-button' | 'show-screen' | 'show-serial';

export const BRIDGE_PORT_MESSAGE = 'cairn:port';

/**
 * What a message of the port counts for: UTF-16 units of a text, bytes of a frame. Besides the messages of wire.ts the window sends numbers: after
 * each message that it takes, what all of them so far count for. Main lets a window go that takes nothing.
 */
export const sizeOfMessage = (data: string | Uint8Array): number => data.length;

/** Channels of ipcMain and ipcRenderer. Requests of the contract do not pass here: they use the MessagePort. */
export const IPC_CONNECT = 'cairn:connect';
export const IPC_PORT = 'cairn:port';
export const IPC_PICK_FILE = 'cairn:pick-file';
export const IPC_KEYBOARD = 'cairn:keyboard';
export const IPC_MENU = 'cairn:menu';
