/**
 * The consoles of all VMs: their text screens (shown large and as thumbnails) and their serial output. Kept outside the
 * store, because it changes many times a second. A screen frame is answered with a credit once it has been drawn, so a slow or
 * hidden window is sent no more than it can show.
 */
import type { HostClient } from '../../main/ipc/contract.ts';
import {
  decodeFrame,
  encodeFrame,
  FRAME_CREDIT,
  FRAME_SCANCODES,
  FRAME_SERIAL_IN,
  FRAME_SERIAL_OUT,
  FRAME_TEXT_SCREEN,
  type Frame,
} from '../../main/ipc/frames.ts';
import { TextScreen } from './text-screen.ts';

const SERIAL_HISTORY_BYTES = 512 * 1024;
const NOTHING = new Uint8Array(0);

interface SerialListener {
  write(bytes: Uint8Array): void;
  /** Everything so far is void. */
  reset(): void;
}

export class VmConsole {
  readonly screen = new TextScreen();
  handle: number | undefined;
  private history: Uint8Array[] = [];
  private historyBytes = 0;
  private readonly screenListeners = new Set<(rows: ReadonlySet<number>) => void>();
  private readonly serialListeners = new Set<SerialListener>();
  private readonly sendFrame: (frame: Uint8Array) => void;
  private dirty = new Set<number>();
  private drawPending = false;
  private creditOwed = false;

  constructor(sendFrame: (frame: Uint8Array) => void) {
    this.sendFrame = sendFrame;
  }

  onScreen(listener: (rows: ReadonlySet<number>) => void): () => void {
    this.screenListeners.add(listener);
    return () => this.screenListeners.delete(listener);
  }

  /** What came earlier is replayed first. */
  onSerial(listener: SerialListener): () => void {
    for (const bytes of this.history) listener.write(bytes);
    this.serialListeners.add(listener);
    return () => this.serialListeners.delete(listener);
  }

  sendKeys(codes: Uint8Array): void {
    this.send(FRAME_SCANCODES, codes);
  }

  sendSerial(bytes: Uint8Array): void {
    this.send(FRAME_SERIAL_IN, bytes);
  }

  receiveScreen(payload: Uint8Array): void {
    const changed = this.screen.apply(payload);
    if (!changed) return;
    for (const row of changed) this.dirty.add(row);
    this.creditOwed = true;
    this.draw();
  }

  receiveSerial(bytes: Uint8Array): void {
    const kept = bytes.slice();
    this.history.push(kept);
    this.historyBytes += kept.length;
    while (this.historyBytes > SERIAL_HISTORY_BYTES && this.history.length > 1) this.historyBytes -= this.history.shift()?.length ?? 0;
    for (const listener of this.serialListeners) listener.write(kept);
  }

  /** Before the host tells it all anew. */
  reset(): void {
    this.screen.clear();
    this.history = [];
    this.historyBytes = 0;
    for (const listener of this.serialListeners) listener.reset();
    for (let row = 0; row < this.screen.rows; row++) this.dirty.add(row);
    this.draw();
  }

  private draw(): void {
    if (this.drawPending) return;
    this.drawPending = true;
    requestAnimationFrame(() => {
      this.drawPending = false;
      const rows = this.dirty;
      this.dirty = new Set();
      for (const listener of this.screenListeners) listener(rows);
      if (this.creditOwed) this.send(FRAME_CREDIT, NOTHING);
      this.creditOwed = false;
    });
  }

  private send(kind: number, payload: Uint8Array): void {
    if (this.handle !== undefined) this.sendFrame(encodeFrame(kind, 0, this.handle, payload));
  }
}

export class ConsoleHub {
  private readonly host: HostClient;
  private readonly consoles = new Map<string, VmConsole>();
  private readonly byHandle = new Map<number, VmConsole>();
  private readonly attaching = new Set<string>();
  /** Frames that overtook the answer which names their handle. */
  private early: Frame[] = [];

  constructor(host: HostClient) {
    this.host = host;
    host.onFrame(bytes => {
      const frame = decodeFrame(bytes);
      if (!frame) return;
      const target = this.byHandle.get(frame.handle);
      if (target) receive(target, frame);
      else if (this.attaching.size > 0) this.early.push(frame);
    });
  }

  console(name: string): VmConsole {
    const known = this.consoles.get(name);
    if (known) return known;
    const made = new VmConsole(frame => this.host.sendFrame(frame));
    this.consoles.set(name, made);
    return made;
  }

  /** Attaches to every VM that there is: a handle stays good while its VM goes off and on. Lets go of those that are gone. */
  update(names: readonly string[]): void {
    for (const name of names) void this.attach(name);
    for (const [name, vmConsole] of this.consoles) {
      if (names.includes(name)) continue;
      this.detach(vmConsole);
      this.consoles.delete(name);
    }
  }

  /** All handles died with the connection. */
  connectionLost(): void {
    this.byHandle.clear();
    for (const vmConsole of this.consoles.values()) vmConsole.handle = undefined;
  }

  private async attach(name: string): Promise<void> {
    const vmConsole = this.console(name);
    if (vmConsole.handle !== undefined || this.attaching.has(name)) return;
    this.attaching.add(name);
    try {
      vmConsole.reset();
      const { handle } = await this.host.request('console.attach', { name });
      vmConsole.handle = handle;
      this.byHandle.set(handle, vmConsole);
      for (const frame of this.early) if (frame.handle === handle) receive(vmConsole, frame);
    } catch {
      // It went away meanwhile: the next change of the list tries again.
    } finally {
      this.attaching.delete(name);
      if (this.attaching.size === 0) this.early = [];
    }
  }

  private detach(vmConsole: VmConsole): void {
    const { handle } = vmConsole;
    if (handle === undefined) return;
    vmConsole.handle = undefined;
    this.byHandle.delete(handle);
    void this.host.request('console.detach', { handle }).catch(() => {}); // the host may have let go first
  }
}

function receive(target: VmConsole, frame: Frame): void {
  if (frame.kind === FRAME_TEXT_SCREEN) target.receiveScreen(frame.payload);
  else if (frame.kind === FRAME_SERIAL_OUT && frame.channel === 0) target.receiveSerial(frame.payload);
}
