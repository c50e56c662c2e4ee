/** One surface's connection to the host service in the same process. */
import { IpcError } from '#engine/errors/errors.ts';
import type { ConsoleHub } from './console-hub.ts';
import type { EventName, Events, HostClient, Params, RequestName, Result } from './ipc/contract.ts';
import { decodeFrame, FRAME_CREDIT, FRAME_SCANCODES, FRAME_SERIAL_IN } from './ipc/frames.ts';

export interface ServiceForClient {
  request<N extends RequestName>(name: N, params: Params<N>, client: HostClientHere): Promise<Result<N>>;
  hub(name: string): ConsoleHub;
  subscribed(): void;
  closed(client: HostClientHere): void;
}

export class HostClientHere implements HostClient {
  private readonly service: ServiceForClient;
  private readonly consoles = new Map<number, ConsoleHub>();
  private readonly names = new Map<number, string>();
  private readonly listeners = new Map<EventName, Set<(payload: never) => void>>();
  private readonly frameListeners = new Set<(frame: Uint8Array) => void | Promise<void>>();
  private closed = false;

  constructor(service: ServiceForClient) {
    this.service = service;
  }

  request<N extends RequestName>(name: N, params: Params<N>): Promise<Result<N>> {
    if (this.closed) return Promise.reject(new IpcError('CLOSED', 'Cairn is closing.'));
    return this.service.request(name, params, this);
  }

  on<E extends EventName>(event: E, listener: (payload: Events[E]) => void): () => void {
    const set = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, set);
    set.add(listener);
    if (event !== 'notice') this.service.subscribed(); // a notice tells of what is done here
    return () => set.delete(listener);
  }

  onFrame(listener: (frame: Uint8Array) => void | Promise<void>): () => void {
    this.frameListeners.add(listener);
    return () => this.frameListeners.delete(listener);
  }

  /** Frames for a console that is not attached have no effect. */
  sendFrame(bytes: Uint8Array): void | Promise<void> {
    const frame = decodeFrame(bytes);
    const hub = frame && this.consoles.get(frame.handle);
    if (!hub) return;
    if (frame.kind === FRAME_SERIAL_IN) return hub.serialInput(frame.channel === 1 ? 1 : 0, frame.payload);
    if (frame.kind === FRAME_SCANCODES) hub.scancodes(frame.payload);
    else if (frame.kind === FRAME_CREDIT) hub.credit(frame.handle);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const handle of this.handles()) this.detach(handle);
    this.service.closed(this);
  }

  /** Nobody waits for its answers any more. */
  get hasGone(): boolean {
    return this.closed;
  }

  emit<E extends EventName>(event: E, payload: Events[E]): void {
    for (const listener of this.listeners.get(event) ?? []) listener(payload as never);
  }

  attach(handle: number, name: string): void {
    const hub = this.service.hub(name);
    this.consoles.set(handle, hub);
    this.names.set(handle, name);
    // The answer with the handle reaches the client before the first frame that carries it.
    setImmediate(() => {
      if (this.consoles.get(handle) === hub) hub.attach(handle, frame => this.deliver(frame));
    });
  }

  detach(handle: number): void {
    this.consoles.get(handle)?.detach(handle);
    this.consoles.delete(handle);
    this.names.delete(handle);
  }

  watches(name: string): boolean {
    return [...this.names.values()].includes(name);
  }

  handles(): number[] {
    return [...this.consoles.keys()];
  }

  private deliver(frame: Uint8Array): void | Promise<void> {
    const waits: Promise<void>[] = [];
    for (const listener of this.frameListeners) {
      const wait = listener(frame);
      if (wait) waits.push(wait);
    }
    if (waits.length > 0) return Promise.all(waits).then(() => {});
  }
}
