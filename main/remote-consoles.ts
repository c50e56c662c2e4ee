/** Consoles of VMs that other processes run: their hub here is a client of their hub there. */
import type { ConsoleHub } from './console-hub.ts';
import {
  encodeFrame,
  FRAME_CREDIT,
  FRAME_SCANCODES,
  FRAME_SERIAL_IN,
  FRAME_SERIAL_OUT,
  FRAME_TEXT_SCREEN,
  type Frame,
} from './ipc/frames.ts';
import type { RemoteHost } from './remote-host.ts';

const NOTHING = new Uint8Array();

export class RemoteConsoles {
  private readonly hub: (name: string) => ConsoleHub;
  /** `handle` is -1 until the far process has answered. */
  private readonly bridges = new Map<string, { remote: RemoteHost; handle: number }>();

  constructor(hub: (name: string) => ConsoleHub) {
    this.hub = hub;
  }

  has(name: string): boolean {
    return this.bridges.has(name);
  }

  async connect(name: string, remote: RemoteHost): Promise<void> {
    const bridge = { remote, handle: -1 };
    this.bridges.set(name, bridge);
    const hub = this.hub(name);
    try {
      bridge.handle = (await remote.request('console.attach', { name })).handle;
    } catch {
      this.bridges.delete(name); // it went away meanwhile
      return;
    }
    const send = (kind: number, channel: number, bytes: Uint8Array) => remote.sendFrame(encodeFrame(kind, channel, bridge.handle, bytes));
    hub.forgetHistory();
    hub.setSource({
      serialInput: (channel, bytes) => send(FRAME_SERIAL_IN, channel, bytes),
      scancodes: bytes => void send(FRAME_SCANCODES, 0, bytes),
      screenCredit: () => void send(FRAME_CREDIT, 0, NOTHING),
    });
  }

  frame(frame: Frame, remote: RemoteHost): void | Promise<void> {
    for (const [name, bridge] of this.bridges) {
      if (bridge.remote !== remote || bridge.handle !== frame.handle) continue;
      if (frame.kind === FRAME_SERIAL_OUT) return this.hub(name).serialOutput(frame.channel, frame.payload);
      if (frame.kind === FRAME_TEXT_SCREEN) this.hub(name).screenFrame(frame.payload);
    }
  }

  /** The consoles of its VMs are cut off. */
  gone(remote: RemoteHost): void {
    const names = [...this.bridges].filter(([, bridge]) => bridge.remote === remote).map(([name]) => name);
    for (const name of names) {
      this.bridges.delete(name);
      this.hub(name).setSource(undefined);
    }
  }
}
