/**
 * What a world has sent out and the event ring has not taken yet. Nothing is ever dropped: while anything is left here, the loop
 * runs no slice, so a kernel that does not read stops the guest instead of losing its bytes.
 */
import type { MachineOutputs } from '#engine/machine/machine.ts';
import type { Doorbell } from './doorbell.ts';
import { EVENT_SERIAL_OUT, SERIAL_OUT_CHUNK, onChannel } from './protocol.ts';
import type { Message, RingWriter } from './ring.ts';

export class Outbox implements MachineOutputs {
  private readonly ring: RingWriter;
  private readonly kernelBell: Doorbell;
  private readonly waiting: Message[] = [];
  /** Serial bytes of the slice that is running. */
  private readonly batches = [new ByteBatch(), new ByteBatch()] as const;

  constructor(ring: RingWriter, kernelBell: Doorbell) {
    this.ring = ring;
    this.kernelBell = kernelBell;
  }

  serialOutput(index: 0 | 1, byte: number): void {
    this.batches[index].push(byte);
  }

  /** Ends the slice's batches: from now on they are messages, in order with the rest. */
  takeSerial(): void {
    this.batches.forEach((batch, index) => {
      const bytes = batch.take();
      for (let at = 0; at < bytes.length; at += SERIAL_OUT_CHUNK) {
        this.waiting.push({ kind: EVENT_SERIAL_OUT, payload: onChannel(index, bytes.subarray(at, at + SERIAL_OUT_CHUNK)) });
      }
    });
  }

  post(kind: number, payload: Uint8Array): void {
    this.waiting.push({ kind, payload });
  }

  /** True when nothing is left. Otherwise the vcpu's doorbell rings once the kernel has made space. */
  flush(): boolean {
    if (this.ring.writeFrom(this.waiting)) this.kernelBell.ring();
    return this.waiting.length === 0;
  }
}

class ByteBatch {
  private bytes = new Uint8Array(4096);
  private length = 0;

  push(byte: number): void {
    if (this.length === this.bytes.length) {
      const larger = new Uint8Array(this.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes[this.length++] = byte;
  }

  take(): Uint8Array {
    const taken = this.bytes.slice(0, this.length);
    this.length = 0;
    return taken;
  }
}
