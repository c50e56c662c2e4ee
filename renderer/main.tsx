/** Joins the parts: connection → controller and consoles → window. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BRIDGE_PORT_MESSAGE, type CairnBridge } from '../main/ipc/bridge.ts';
import { AppContext } from './app-context.ts';
import { dialBridge, dialWebSocket, RemoteHost } from './client.ts';
import { ConsoleHub } from './console/console-hub.ts';
import { AppWindow } from './parts/app-window.tsx';
import { Controller } from './state/controller.ts';
import './styles/index.css';

declare global {
  interface Window {
    readonly cairn?: CairnBridge;
  }
}

function nextPort(): Promise<MessagePort> {
  return new Promise(resolve => {
    const listen = (event: MessageEvent) => {
      const port = event.ports[0];
      if (event.source !== window || (event.data as { kind?: string } | null)?.kind !== BRIDGE_PORT_MESSAGE || !port) return;
      window.removeEventListener('message', listen);
      resolve(port);
    };
    window.addEventListener('message', listen);
  });
}

const bridge = window.cairn;
const host = new RemoteHost(bridge ? dialBridge(bridge, nextPort) : dialWebSocket(`ws://${location.host}/socket`), state => {
  if (state === 'lost') consoles.connectionLost();
  void controller.connectionChanged(state);
});
const controller = new Controller(host);
const consoles = new ConsoleHub(host);
controller.store.subscribe((state, before) => {
  if (state.vms !== before.vms && state.connection === 'open') consoles.update(Object.keys(state.vms));
});
host.connect();
bridge?.onMenu(command => controller.menu(command));

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <AppContext value={{ controller, consoles, reconnect: () => host.reconnectNow(), bridge }}>
      <AppWindow />
    </AppContext>
  </StrictMode>,
);
