/**
 * One connected surface: answers its requests and passes it the host's events and console frames. Every message is checked; a
 * message that does not fit the contract ends this session and nothing else. Used by the web shell and the Electron shell alike.
 */
import type { ZodType } from 'zod';
import { CairnError, messageOf } from '#engine/errors/errors.ts';
import { knownError } from '#worker/descriptors.ts';
import { events, requests, type EventName, type HostClient, type RequestName } from './contract.ts';
import { problemOf } from '../problem.ts';
import { decodeFrame, encodeFrame, FRAME_CREDIT, FRAME_SCANCODES, FRAME_SERIAL_IN } from './frames.ts';
import { MAX_CLIENT_MESSAGE_BYTES, wireRequest, type WireMessage } from './wire.ts';

/** The far end of a session, whatever carries it. */
export interface MessageChannelPort {
  sendText(text: string): void;
  /** A promise when the far end is behind: it settles when these bytes are on their way. */
  sendBinary(bytes: Uint8Array): void | Promise<void>;
  /** Bytes accepted by send but not yet taken by the far end. */
  bufferedBytes(): number;
  close(reason: string): void;
}

/** A client that reads nothing is let go before its backlog eats the host's memory. What it has asked for (a list of very many checkpoints) does not count, up to a bound. */
const MAX_BACKLOG_BYTES = 16 * 1024 * 1024;
const MAX_ASKED_BYTES = 256 * 1024 * 1024;
/** Requests in flight; a user has a handful. */
const MAX_PENDING = 64;
const EVENT_NAMES = Object.keys(events) as EventName[];
const CLIENT_FRAME_KINDS: ReadonlySet<number> = new Set([FRAME_SERIAL_IN, FRAME_SCANCODES, FRAME_CREDIT]);

export class Session {
  private readonly handles = new Set<number>();
  private readonly unsubscribe: (() => void)[] = [];
  private readonly host: HostClient;
  private readonly port: MessageChannelPort;
  private pending = 0;
  /** Bytes of answers since the far end had taken all. */
  private askedBytes = 0;
  private closed = false;

  /** `host` is this session's own and is closed with it. */
  constructor(host: HostClient, port: MessageChannelPort) {
    this.host = host;
    this.port = port;
    for (const event of EVENT_NAMES) {
      this.unsubscribe.push(host.on(event, payload => this.send({ event, payload } as WireMessage)));
    }
    this.unsubscribe.push(host.onFrame(frame => this.sendFrame(frame)));
  }

  async receiveText(text: string): Promise<void> {
    if (this.closed) return;
    if (text.length > MAX_CLIENT_MESSAGE_BYTES) return this.refuse('a request is too long');
    const message = wireRequest.safeParse(parseJson(text));
    if (!message.success) return this.refuse('a message is not a request of the contract');
    if (this.pending >= MAX_PENDING) return this.refuse('too many requests at once');
    const { id, name, params } = message.data;
    const checked = (requests[name].params as ZodType).safeParse(params);
    if (!checked.success) {
      this.send({ id, error: { code: 'BAD_REQUEST', message: problemOf(checked.error.issues[0]!) } });
      return;
    }
    this.pending++;
    try {
      const result = await this.host.request(name, checked.data as never);
      this.noteHandles(name, checked.data, result);
      this.answer({ id, result });
    } catch (error) {
      this.send({ id, error: describe(error) });
    } finally {
      this.pending--;
    }
  }

  receiveBinary(bytes: Uint8Array): void {
    if (this.closed) return;
    const frame = decodeFrame(bytes);
    if (!frame || !CLIENT_FRAME_KINDS.has(frame.kind) || frame.channel > 1) return this.refuse('a console frame is damaged');
    // A frame for a console that was let go a moment ago is no offence; one for somebody else's console has no effect.
    if (this.handles.has(frame.handle)) this.host.sendFrame(encodeFrame(frame.kind, frame.channel, frame.handle, frame.payload));
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const stop of this.unsubscribe) stop();
    this.host.close();
  }

  private noteHandles(name: RequestName, params: unknown, result: unknown): void {
    if (name === 'console.attach') this.handles.add((result as { handle: number }).handle);
    if (name === 'console.detach') this.handles.delete((params as { handle: number }).handle);
  }

  private sendFrame(frame: Uint8Array): void | Promise<void> {
    if (this.closed || !this.roomLeft()) return;
    return this.port.sendBinary(frame);
  }

  private answer(message: WireMessage): void {
    if (this.closed || !this.roomLeft()) return;
    const text = JSON.stringify(message);
    this.askedBytes = Math.min(MAX_ASKED_BYTES, this.askedBytes + Buffer.byteLength(text));
    this.port.sendText(text);
  }

  private send(message: WireMessage): void {
    if (this.closed || !this.roomLeft()) return;
    this.port.sendText(JSON.stringify(message));
  }

  private roomLeft(): boolean {
    const buffered = this.port.bufferedBytes();
    if (buffered === 0) this.askedBytes = 0;
    if (buffered <= MAX_BACKLOG_BYTES + this.askedBytes) return true;
    this.refuse('the client does not read what it is sent');
    return false;
  }

  /** Ends the session because of what the client did. */
  refuse(reason: string): void {
    this.close();
    this.port.close(reason);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no request is undefined: refused by the schema
  }
}

function describe(thrown: unknown): { code: string; message: string } {
  const error = knownError(thrown);
  if (error instanceof CairnError) return { code: error.code, message: error.message };
  return { code: 'INTERNAL', message: `something went wrong inside Cairn: ${messageOf(error)}` };
}
