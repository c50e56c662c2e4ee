/** What every component may need: the controller (wishes, state) and the consoles. */
import { createContext, useContext } from 'react';
import { useStore } from 'zustand';
import type { CairnBridge } from '../main/ipc/bridge.ts';
import type { ConsoleHub } from './console/console-hub.ts';
import type { AppState, VmView } from './state/app-state.ts';
import type { Controller } from './state/controller.ts';

export interface App {
  readonly controller: Controller;
  readonly consoles: ConsoleHub;
  readonly reconnect: () => void;
  /** Only in the Electron shell. */
  readonly bridge: CairnBridge | undefined;
}

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error('no AppContext above this component');
  return app;
}

export function useAppState<T>(select: (state: AppState) => T): T {
  return useStore(useApp().controller.store, select);
}

/** Can this VM be told anything now? One that another process owns can: the host passes it on. */
export function useCanCommand(view: VmView): boolean {
  return useAppState(state => state.connection === 'open') && view.pending === undefined && view.summary.state !== 'no-answer';
}
