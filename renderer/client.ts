/** The host service as the window sees it: the contract over a WebSocket (web shell) or a MessagePort (Electron). */
import { sizeOfMessage, type CairnBridge } from '../main/ipc/bridge.ts';
import type { EventName, Events, HostClient, Params, RequestName, Result } from '../main/ipc/contract.ts';

/** What the host answered instead of a result. */
export class HostError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export type ConnectionState = 'connecting' | 'open' | 'lost';

export interface Link {
  sendText(text: string): void;
  sendBinary(bytes: Uint8Array): void;
  close(): void;
}

export interface LinkEvents {
  opened(link: Link): void;
  text(text: string): void;
  binary(bytes: Uint8Array): void;
  lost(): void;
}

/** Starts one attempt to reach the host; `events.lost` is called exactly once in its life. */
export type Dial = (events: LinkEvents) => Link;

const RETRY_MS = [250, 500, 1000, 2000, 4000];

type Waiting = { resolve(value: unknown): void; reject(error: Error): void };

export class RemoteHost implements HostClient {
  private readonly listeners = new Map<EventName, Set<(payload: never) => void>>();
  private readonly frameListeners = new Set<(frame: Uint8Array) => void>();
  private readonly waiting = new Map<number, Waiting>();
  private readonly dial: Dial;
  private readonly onState: (state: ConnectionState) => void;
  private link: Link | undefined;
  private nextId = 1;
  private failures = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  /** `onState` hears 'open' each time that a connection is made, 'lost' when it breaks; requests fail while there is none. */
  constructor(dial: Dial, onState: (state: ConnectionState) => void) {
    this.dial = dial;
    this.onState = onState;
  }

  connect(): void {
    const dialled = this.dial({
      opened: link => {
        this.link = link;
        this.failures = 0;
        this.onState('open');
      },
      text: text => this.receive(text),
      binary: bytes => {
        for (const listener of this.frameListeners) listener(bytes);
      },
      lost: () => this.lost(),
    });
    if (this.closed) dialled.close();
  }

  /** Tries again at once: the user asked. */
  reconnectNow(): void {
    if (this.link || this.retry === undefined) return;
    clearTimeout(this.retry);
    this.retry = undefined;
    this.connect();
  }

  request<N extends RequestName>(name: N, params: Params<N>): Promise<Result<N>> {
    const link = this.link;
    if (!link) return Promise.reject(new HostError('DISCONNECTED', 'Cairn is not reachable at the moment'));
    const id = this.nextId++;
    return new Promise<Result<N>>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      link.sendText(JSON.stringify({ id, name, params }));
    });
  }

  on<E extends EventName>(event: E, listener: (payload: Events[E]) => void): () => void {
    const set = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  onFrame(listener: (frame: Uint8Array) => void): () => void {
    this.frameListeners.add(listener);
    return () => this.frameListeners.delete(listener);
  }

  sendFrame(frame: Uint8Array): void {
    this.link?.sendBinary(frame);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.retry);
    this.link?.close();
  }

  private receive(text: string): void {
    const message = JSON.parse(text) as {
      id?: number;
      result?: unknown;
      error?: { code: string; message: string };
      event?: EventName;
      payload?: unknown;
    };
    if (message.event !== undefined) {
      for (const listener of this.listeners.get(message.event) ?? []) listener(message.payload as never);
      return;
    }
    const waiting = message.id === undefined ? undefined : this.waiting.get(message.id);
    if (!waiting) return;
    this.waiting.delete(message.id as number);
    if (message.error) waiting.reject(new HostError(message.error.code, message.error.message));
    else waiting.resolve(message.result);
  }

  private lost(): void {
    this.link = undefined;
    for (const { reject } of this.waiting.values())
      reject(new HostError('DISCONNECTED', 'the connection to Cairn was lost before it answered'));
    this.waiting.clear();
    if (this.closed) return;
    this.onState('lost');
    const delay = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
    this.retry = setTimeout(() => {
      this.retry = undefined;
      this.connect();
    }, delay);
  }
}

export function dialWebSocket(url: string): Dial {
  return events => {
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    const link: Link = {
      sendText: text => socket.send(text),
      sendBinary: bytes => socket.send(bytes as Uint8Array<ArrayBuffer>),
      close: () => socket.close(),
    };
    socket.addEventListener('open', () => events.opened(link));
    socket.addEventListener('message', ({ data }) =>
      typeof data === 'string' ? events.text(data) : events.binary(new Uint8Array(data as ArrayBuffer)),
    );
    socket.addEventListener('close', () => events.lost());
    return link;
  };
}

/** `nextPort` settles with the port that main sends in answer to bridge.connect(). What arrives is acknowledged when it has been dealt with. */
export function dialBridge(bridge: Pick<CairnBridge, 'connect'>, nextPort: () => Promise<MessagePort>): Dial {
  return events => {
    let port: MessagePort | undefined;
    let taken = 0;
    const link: Link = {
      sendText: text => port?.postMessage(text),
      sendBinary: bytes => port?.postMessage(bytes),
      close: () => port?.close(),
    };
    void nextPort().then(opened => {
      port = opened;
      port.addEventListener('message', ({ data }: MessageEvent<string | Uint8Array>) => {
        taken += sizeOfMessage(data);
        try {
          if (typeof data === 'string') events.text(data);
          else events.binary(data);
        } finally {
          opened.postMessage(taken);
        }
      });
      port.addEventListener('close', () => events.lost());
      port.start();
      events.opened(link);
    });
    bridge.connect();
    return link;
  };
}
