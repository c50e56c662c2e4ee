/**
 * The console of one VM in this process: what its serial ports have said lately and what its screen shows, passed on to every client that is attached.
 * Its source is a world here, or the same VM's hub in the process that owns it; clients keep their handles while sources come and go.
 */
import type { TextScreen } from '#engine/machine/machine.ts';
import { ScreenDiff } from '#worker/screen-diff.ts';
import { encodeFrame, FRAME_SERIAL_OUT, FRAME_TEXT_SCREEN } from './ipc/frames.ts';

export interface ConsoleSource {
  /** A promise when the VM's input queue is full. */
  serialInput(channel: 0 | 1, bytes: Uint8Array): void | Promise<void>;
  scancodes(bytes: Uint8Array): void;
  /** One more screen frame is welcome; `whole`: with every row. */
  screenCredit(whole: boolean): void;
}

export type FrameSink = (frame: Uint8Array) => void | Promise<void>;

/** Serial output that a client which attaches later still gets, for each port. */
const HISTORY_BYTES = 256 * 1024;
/** Small pieces are joined up to this. */
const HISTORY_PIECE = 4096;
const MAX_COLUMNS = 255;

interface Attached {
  readonly sink: FrameSink;
  readonly view: ScreenDiff;
  credit: boolean;
}

export class ConsoleHub {
  private readonly clients = new Map<number, Attached>();
  private readonly history = [new History(), new History()] as const;
  private screen: TextScreen | undefined;
  private source: ConsoleSource | undefined;
  private creditGiven = false;

  /** Undefined: the VM is off; what it said last stays readable. */
  setSource(source: ConsoleSource | undefined): void {
    this.source = source;
    this.creditGiven = false;
    if (this.wantsScreen()) this.giveCredit(true);
  }

  /** Before a source that replays its history itself. */
  forgetHistory(): void {
    for (const history of this.history) history.clear();
  }

  attach(handle: number, sink: FrameSink): void {
    this.clients.set(handle, { sink, view: new ScreenDiff(), credit: true });
    this.history.forEach((history, channel) => {
      for (const bytes of history.chunks) void sink(encodeFrame(FRAME_SERIAL_OUT, channel, handle, bytes));
    });
    this.sendScreen();
    if (!this.creditGiven) this.giveCredit(true);
  }

  detach(handle: number): void {
    this.clients.delete(handle);
  }

  serialInput(channel: 0 | 1, bytes: Uint8Array): void | Promise<void> {
    return this.source?.serialInput(channel, bytes);
  }

  scancodes(bytes: Uint8Array): void {
    this.source?.scancodes(bytes);
  }

  /** A client has drawn the last frame. */
  credit(handle: number): void {
    const client = this.clients.get(handle);
    if (!client) return;
    client.credit = true;
    this.sendScreen();
    if (!this.creditGiven && this.wantsScreen()) this.giveCredit(false);
  }

  /** From the source. The promise settles when every client has taken the bytes. */
  serialOutput(channel: number, bytes: Uint8Array): void | Promise<void> {
    if (channel !== 0 && channel !== 1) return;
    this.history[channel].push(bytes);
    const waits: Promise<void>[] = [];
    for (const [handle, { sink }] of this.clients) {
      const wait = sink(encodeFrame(FRAME_SERIAL_OUT, channel, handle, bytes));
      if (wait) waits.push(wait);
    }
    if (waits.length > 0) return Promise.all(waits).then(() => {});
  }

  /** From the source: the payload of a text screen frame. */
  screenFrame(payload: Uint8Array): void {
    this.creditGiven = false;
    this.screen = applyRows(this.screen, payload);
    this.sendScreen();
    if (this.wantsScreen()) this.giveCredit(false);
  }

  private wantsScreen(): boolean {
    return [...this.clients.values()].some(({ credit }) => credit);
  }

  private giveCredit(whole: boolean): void {
    if (!this.source) return;
    this.creditGiven = true;
    this.source.screenCredit(whole);
  }

  private sendScreen(): void {
    if (!this.screen) return;
    for (const [handle, client] of this.clients) {
      if (!client.credit) continue;
      const payload = client.view.frame(this.screen);
      if (payload === undefined) continue;
      client.credit = false;
      void client.sink(encodeFrame(FRAME_TEXT_SCREEN, 0, handle, payload));
    }
  }
}

/** The screen with the rows of a frame in place; the old one when the frame is not a frame. */
export function applyRows(screen: TextScreen | undefined, payload: Uint8Array): TextScreen | undefined {
  const [columns = 0, rows = 0, low = 0, high = 0] = payload;
  const rowSize = 1 + columns * 2;
  if (columns === 0 || columns > MAX_COLUMNS || rows === 0 || payload.length < 4 || (payload.length - 4) % rowSize !== 0) return screen;
  const same = screen !== undefined && screen.columns === columns && screen.rows === rows;
  const cells = same ? screen.cells.slice() : new Uint8Array(columns * rows * 2);
  for (let at = 4; at < payload.length; at += rowSize) {
    const row = payload[at]!;
    if (row < rows) cells.set(payload.subarray(at + 1, at + rowSize), row * columns * 2);
  }
  const cursor = low | (high << 8);
  return { kind: 'text', columns, rows, cells, cursor: cursor === 0xffff ? -1 : cursor };
}

/** The last bytes of a port. */
class History {
  readonly chunks: Uint8Array[] = [];
  private size = 0;

  push(bytes: Uint8Array): void {
    const last = this.chunks.at(-1);
    if (last !== undefined && last.length + bytes.length <= HISTORY_PIECE) {
      const joined = new Uint8Array(last.length + bytes.length);
      joined.set(last);
      joined.set(bytes, last.length);
      this.chunks[this.chunks.length - 1] = joined;
    } else {
      this.chunks.push(bytes.slice());
    }
    this.size += bytes.length;
    while (this.size > HISTORY_BYTES && this.chunks.length > 1) this.size -= this.chunks.shift()!.length;
  }

  clear(): void {
    this.chunks.length = 0;
    this.size = 0;
  }
}
