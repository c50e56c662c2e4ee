/**
 * What a world has sent out and its rings have not taken yet: serial output, and everything else. Nothing is ever dropped: while anything is left here, the loop runs no slice, so whoever reads a
 * console and takes nothing stops the guest instead of losing its bytes; but not the answers to what the kernel asks, which go by the other ring.
 */
import type { MachineOutputs } from '#engine/machine/machine.ts';
import type { Doorbell } from './doorbell.ts';
import { EVENT_END, EVENT_SERIAL_OUT, SERIAL_OUT_CHUNK, encodeJson, onChannel, type WorldEnd } from './protocol.ts';
import type { Message, RingWriter } from './ring.ts';

export class Outbox implements MachineOutputs {
  private readonly serialRing: RingWriter;
  private readonly eventRing: RingWriter;
  private readonly kernelBell: Doorbell;
  private readonly serial: Message[] = [];
  private readonly events: Message[] = [];
  /** Serial bytes of the slice that is running. */
  private readonly batches = [new ByteBatch(), new ByteBatch()] as const;

  constructor(serialRing: RingWriter, eventRing: RingWriter, kernelBell: Doorbell) {
    this.serialRing = serialRing;
    this.eventRing = eventRing;
    this.kernelBell = kernelBell;
  }

  serialOutput(index: 0 | 1, byte: number): void {
    this.batches[index].push(byte);
  }

  /** Ends the slice's batches: from now on they are messages. */
  takeSerial(): void {
    this.batches.forEach((batch, index) => {
      const bytes = batch.take();
      for (let at = 0; at < bytes.length; at += SERIAL_OUT_CHUNK) {
        this.serial.push({ kind: EVENT_SERIAL_OUT, payload: onChannel(index, bytes.subarray(at, at + SERIAL_OUT_CHUNK)) });
      }
    });
  }

  post(kind: number, payload: Uint8Array): void {
    this.events.push({ kind, payload });
  }

  /** True when nothing is left. Otherwise the vcpu's doorbell rings once the kernel has made space. Serial output goes first: who reads an event can have read what was sent before. */
  flush(): boolean {
    const isSerialSent = this.serialRing.writeFrom(this.serial);
    if (this.eventRing.writeFrom(this.events) || isSerialSent) this.kernelBell.ring();
    return this.serial.length === 0 && this.events.length === 0;
  }

  /** The last event, once all serial output is in its ring. `bell`: the vcpu's doorbell. A kernel that takes no more ends the thread. */
  finish(end: WorldEnd, bell: Doorbell): void {
    this.takeSerial();
    this.flushAll(bell);
    this.post(EVENT_END, encodeJson(end));
    this.flushAll(bell);
  }

  private flushAll(bell: Doorbell): void {
    for (;;) {
      const seen = bell.count; // before looking for space, so that no ring is missed
      if (this.flush()) return;
      bell.sleep(seen);
    }
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
