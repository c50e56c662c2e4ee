/**
 * A host service in another process, reached through its owner socket. An answer may take as long as what was asked for; a process that gets no cycles at all is let go of, and what it
 * had not begun by then it does not begin when it goes on (asker.ts).
 */
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
import { howToEnd, isStopped } from './process-state.ts';
import { hasPulse } from './pulse.ts';

/** A list of a hundred thousand checkpoints is smaller. */
const LARGEST_MESSAGE = 256 * 1024 * 1024;
const CONNECT_PATIENCE_MS = 2000;
/** A process that sends nothing for so long is asked for its pulse. */
const QUIET_MS = 2000;
/** However busy the computer is, a thread that has nothing else to do gets its turn in this time. */
const PULSE_PATIENCE_MS = 4000;

/** Where another process listens. */
export interface RemoteAddress {
  readonly pid: number;
  readonly socket: string;
}

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
  private readonly address: RemoteAddress;
  private readonly socket: Socket;
  private nextId = 1;
  private isClosed = false;
  private hasSaidSomething = false;
  private isProbing = false;

  private constructor(socket: Socket, address: RemoteAddress) {
    this.socket = socket;
    this.address = address;
    socket.on('data', () => (this.hasSaidSomething = true));
    const watch = setInterval(() => this.watch(), QUIET_MS).unref();
    this.closed = new Promise(resolve => {
      socket.once('close', () => {
        clearInterval(watch);
        resolve();
      });
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
      closed: () => this.fail(goneAway()),
    });
    this.watch();
  }

  /** Undefined when nobody listens there (any more). Throws IpcError NO_ANSWER when the process there does not react. */
  static async connect(address: RemoteAddress): Promise<RemoteHost | undefined> {
    const socket = connect(address.socket);
    const outcome = await new Promise<'connected' | 'nobody' | 'frozen'>(resolve => {
      socket.once('connect', () => resolve('connected'));
      // unix(7): so many have connected that the process has not looked at
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EAGAIN' ? 'frozen' : 'nobody'));
      socket.setTimeout(CONNECT_PATIENCE_MS, () => resolve('frozen'));
    });
    socket.setTimeout(0);
    if (outcome === 'connected') return new RemoteHost(socket, address);
    socket.destroy();
    if (outcome === 'frozen') throw noAnswer(address.pid);
    return undefined;
  }

  request<N extends RequestName>(name: N, params: Params<N>): Promise<Result<N>> {
    if (this.isClosed) return Promise.reject(goneAway());
    this.watch();
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

  /** Of a process that has said nothing since it was looked at last. */
  private watch(): void {
    const isQuiet = !this.hasSaidSomething;
    this.hasSaidSomething = false;
    if (!isQuiet || this.isProbing || this.isClosed) return;
    this.isProbing = true;
    void hasPulse(this.address.socket, PULSE_PATIENCE_MS).then(isAlive => {
      this.isProbing = false;
      if (isAlive || this.hasSaidSomething) return;
      this.fail(noAnswer(this.address.pid));
      this.socket.destroy();
    });
  }

  private fail(error: Error): void {
    this.isClosed = true;
    for (const waiter of this.waiters.values()) waiter.reject(error);
    this.waiters.clear();
  }
}

function noAnswer(pid: number): IpcError {
  return new IpcError('NO_ANSWER', `${whyNoAnswer(pid)} What it has not begun of this it will not do later.`);
}

export function whyNoAnswer(pid: number): string {
  const why = isStopped(pid) ? 'is stopped' : 'gets no computing time, or hangs';
  return `process ${pid}, which has this VM open, does not answer: it ${why}. ${howToEnd(pid)}.`;
}

const goneAway = () => new IpcError('OWNER_GONE', 'the Cairn that had this VM open has just closed: try again.');
