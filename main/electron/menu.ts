/** The application's menu. What it does to VMs the window's own buttons do too; the window knows which VM is meant. */
import { Menu, type MenuItemConstructorOptions } from 'electron';
import type { MenuCommand } from '../ipc/bridge.ts';

export function buildMenu(platform: NodeJS.Platform, send: (command: MenuCommand) => void): Menu {
  const command = (label: string, name: MenuCommand, accelerator?: string): MenuItemConstructorOptions => ({
    label,
    click: () => send(name),
    ...(accelerator === undefined ? {} : { accelerator }),
  });
  const mac = platform === 'darwin';
  return Menu.buildFromTemplate([
    ...(mac ? [{ role: 'appMenu' } satisfies MenuItemConstructorOptions] : []),
    {
      label: 'File',
      submenu: [command('New Virtual Machine…', 'new-vm', 'CmdOrCtrl+N'), { type: 'separator' }, { role: mac ? 'close' : 'quit' }],
    },
    { role: 'editMenu' },
    {
      label: 'Machine',
      submenu: [
        command('Start', 'start'),
        command('Pause or Resume', 'pause'),
        command('Press the Power Button', 'power-button'),
        { type: 'separator' },
        command('Take Checkpoint…', 'take-checkpoint', 'CmdOrCtrl+Shift+T'),
      ],
    },
    {
      label: 'View',
      submenu: [
        command('Screen', 'show-screen', 'CmdOrCtrl+1'),
        command('Serial', 'show-serial', 'CmdOrCtrl+2'),
        { type: 'separator' },
        { role: 'resetZoom' },
        { role: 'zoomIn' },
        { role: 'zoomOut' },
        { type: 'separator' },
        { role: 'togglefullscreen' },
      ],
    },
    { role: 'windowMenu' },
  ]);
}
