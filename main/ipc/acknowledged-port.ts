/** A MessagePort tells no backlog: the far end says how much it has taken (bridge.ts), and what it has not is counted here. */
import { sizeOfMessage } from './bridge.ts';

/** From here on whoever sends console output is asked to wait. */
const BUSY_BYTES = 1024 * 1024;

export class AcknowledgedPort {
  private readonly post: (data: string | Uint8Array) => void;
  private sent = 0;
  private taken = 0;
  private waiting: (() => void)[] = [];

  constructor(post: (data: string | Uint8Array) => void) {
    this.post = post;
  }

  sendText(text: string): void {
    this.send(text);
  }

  /** A promise when the far end is behind; it settles when it is no more, or when the port is closed. */
  sendBinary(bytes: Uint8Array): void | Promise<void> {
    this.send(bytes);
    if (this.bufferedBytes() >= BUSY_BYTES) return new Promise(resolve => this.waiting.push(resolve));
  }

  /** Sent, and not yet taken. */
  bufferedBytes(): number {
    return this.sent - this.taken;
  }

  /** `total`: all that the far end has taken so far. False when that can't be. */
  acknowledge(total: number): boolean {
    if (!Number.isSafeInteger(total) || total < this.taken || total > this.sent) return false;
    this.taken = total;
    if (this.bufferedBytes() < BUSY_BYTES) this.letGo();
    return true;
  }

  /** Nobody waits any more. */
  letGo(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private send(data: string | Uint8Array): void {
    this.sent += sizeOfMessage(data);
    this.post(data);
  }
}
