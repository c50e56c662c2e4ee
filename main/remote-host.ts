/** A host service in another process, reached through its owner socket. */
import { connect, type Socket } from 'node:net';
import { CairnError, IpcError } from '#engine/errors/errors.ts';
import {
  events,
  wireError,
  type EventName,
  type Events,
  type HostClient,
  type Params,
  type RequestName,
  type Result,
} from './ipc/contract.ts';
import { MessageStream } from './ipc/stream.ts';

/** A screen frame or a list of checkpoints is far smaller. */
const LARGEST_MESSAGE = 64 * 1024 * 1024;
const CONNECT_PATIENCE_MS = 2000;

interface Waiter {
  resolve(result: never): void;
  reject(error: Error): void;
}

export class RemoteHost implements HostClient {
  /** Settles when the far process has gone or closed the connection. */
  readonly closed: Promise<void>;
  private readonly stream: MessageStream;
  private readonly waiters = new Map<number, Waiter>();
  private readonly listeners = new Map<EventName, Set<(payload: never) => void>>();
  private readonly frameListeners = new Set<(frame: Uint8Array) => void | Promise<void>>();
  private nextId = 1;
  private isClosed = false;

  private constructor(socket: Socket) {
    this.closed = new Promise(resolve => {
      socket.once('close', () => resolve());
    });
    this.stream = new MessageStream(socket, LARGEST_MESSAGE, {
      text: text => {
        try {
          this.receive(text);
        } catch {
          socket.destroy(); // what is no message of ours ends the connection and nothing else
        }
      },
      // After whoever waits for an answer that came before them has had it: the answer to console.attach names the handle.
      binary: frame => {
        setImmediate(() => {
          for (const listener of this.frameListeners) void listener(frame);
        });
      },
      closed: () => this.fail(),
    });
  }

  /** Undefined when nobody listens there (any more). */
  static async connect(path: string): Promise<RemoteHost | undefined> {
    const socket = connect(path);
    const connected = await new Promise<boolean>(resolve => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.setTimeout(CONNECT_PATIENCE_MS, () => resolve(false));
    });
    socket.setTimeout(0);
    if (connected) return new RemoteHost(socket);
    socket.destroy();
    return undefined;
  }

  request<N extends RequestName>(name: N, params: Params<N>): Promise<Result<N>> {
    if (this.isClosed) return Promise.reject(goneAway());
    const id = this.nextId++;
    const result = new Promise<Result<N>>((resolve, reject) => this.waiters.set(id, { resolve, reject }));
    this.stream.sendText(JSON.stringify({ id, name, params }));
    return result;
  }

  on<E extends EventName>(event: E, listener: (payload: Events[E]) => void): () => void {
    const set = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  onFrame(listener: (frame: Uint8Array) => void | Promise<void>): () => void {
    this.frameListeners.add(listener);
    return () => this.frameListeners.delete(listener);
  }

  sendFrame(frame: Uint8Array): void | Promise<void> {
    return this.stream.sendBinary(frame);
  }

  close(): void {
    this.stream.close();
  }

  private receive(text: string): void {
    const message = JSON.parse(text) as { id?: number; result?: unknown; error?: unknown; event?: string; payload?: unknown };
    if (message.event !== undefined) {
      if (!(message.event in events)) return;
      const name = message.event as EventName;
      const payload = events[name].safeParse(message.payload);
      if (payload.success) for (const listener of this.listeners.get(name) ?? []) listener(payload.data as never);
      return;
    }
    const waiter = this.waiters.get(message.id ?? 0);
    this.waiters.delete(message.id ?? 0);
    if (message.error === undefined) {
      waiter?.resolve(message.result as never);
      return;
    }
    const { code, message: sentence } = wireError.parse(message.error);
    waiter?.reject(new CairnError(code, sentence));
  }

  private fail(): void {
    this.isClosed = true;
    for (const waiter of this.waiters.values()) waiter.reject(goneAway());
    this.waiters.clear();
  }
}

const goneAway = () => new IpcError('OWNER_GONE', 'the Cairn that had this VM open has just closed: try again.');
