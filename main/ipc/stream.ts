/**
 * The contract over a byte stream (the owner's socket): messages { u32 length, u8 kind, length - 1 bytes }, little-endian; kind 0 is one JSON document
 * of wire.ts, kind 1 one console frame of frames.ts.
 */
import type { Duplex } from 'node:stream';

const KIND_TEXT = 0;
const KIND_BINARY = 1;
const HEADER_SIZE = 5;

export interface StreamHandlers {
  text(text: string): void;
  binary(bytes: Uint8Array): void;
  /** The far end is gone, sends nothing more, or sent what can't be believed. Called once. */
  closed(): void;
}

export class MessageStream {
  private readonly stream: Duplex;
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;

  constructor(stream: Duplex, largestMessage: number, handlers: StreamHandlers) {
    this.stream = stream;
    stream.on('data', (chunk: Uint8Array) => {
      this.pending.push(chunk);
      this.pendingBytes += chunk.length;
      if (!this.deliver(largestMessage, handlers)) stream.destroy();
    });
    stream.on('error', () => stream.destroy());
    let isClosed = false;
    for (const event of ['end', 'close'])
      stream.once(event, () => {
        if (!isClosed) handlers.closed();
        isClosed = true;
      });
  }

  sendText(text: string): void {
    this.send(KIND_TEXT, Buffer.from(text));
  }

  /** A promise when the far end reads slower than this end writes. */
  sendBinary(bytes: Uint8Array): void | Promise<void> {
    if (this.send(KIND_BINARY, bytes)) return;
    return new Promise(resolve => {
      const done = () => {
        this.stream.off('drain', done);
        this.stream.off('close', done);
        resolve();
      };
      this.stream.on('drain', done);
      this.stream.on('close', done);
    });
  }

  get bufferedBytes(): number {
    return this.stream.writableLength;
  }

  close(): void {
    this.stream.end();
  }

  private send(kind: number, bytes: Uint8Array): boolean {
    if (this.stream.destroyed || this.stream.writableEnded) return true;
    const header = new Uint8Array(HEADER_SIZE);
    new DataView(header.buffer).setUint32(0, bytes.length + 1, true);
    header[4] = kind;
    this.stream.write(header);
    return this.stream.write(bytes);
  }

  /** False when a message is damaged or too long. */
  private deliver(largestMessage: number, handlers: StreamHandlers): boolean {
    while (this.pendingBytes >= HEADER_SIZE) {
      if (this.pending[0]!.length < HEADER_SIZE) this.pending = [Buffer.concat(this.pending)];
      const first = this.pending[0]!;
      const length = new DataView(first.buffer, first.byteOffset).getUint32(0, true);
      const kind = first[4];
      if (length === 0 || length > largestMessage || (kind !== KIND_TEXT && kind !== KIND_BINARY)) return false;
      if (this.pendingBytes < length + 4) return true;
      const all = this.pending.length === 1 ? first : Buffer.concat(this.pending);
      const payload = all.subarray(HEADER_SIZE, length + 4);
      const rest = all.subarray(length + 4);
      this.pending = rest.length > 0 ? [rest] : [];
      this.pendingBytes = rest.length;
      if (kind === KIND_TEXT) handlers.text(Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString('utf8'));
      else handlers.binary(payload);
    }
    return true;
  }
}
