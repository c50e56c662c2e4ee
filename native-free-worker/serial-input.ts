/** Serial bytes from the kernel that the UARTs have not taken yet. The kernel keeps them few (SERIAL_INPUT_WINDOW). */
import type { Machine } from '#engine/machine/machine.ts';
import type { Outbox } from './outbox.ts';
import { EVENT_SERIAL_TAKEN, encodeTaken } from './protocol.ts';

export class SerialInput {
  private readonly machine: Machine;
  private readonly outbox: Outbox;
  private readonly queues: [Uint8Array[], Uint8Array[]] = [[], []];

  constructor(machine: Machine, outbox: Outbox) {
    this.machine = machine;
    this.outbox = outbox;
  }

  /** `payload` is { u8 channel, bytes }. */
  queue(payload: Uint8Array): void {
    const channel = payload[0] === 1 ? 1 : 0;
    if (payload.length > 1) this.queues[channel].push(payload.subarray(1));
  }

  /** Gives the UARTs what they take now. True when that was anything. */
  deliver(): boolean {
    let gave = false;
    for (const channel of [0, 1] as const) {
      const queue = this.queues[channel];
      let total = 0;
      for (;;) {
        const bytes = queue[0];
        if (bytes === undefined) break;
        const taken = this.machine.serialInput(channel, bytes);
        total += taken;
        if (taken < bytes.length) {
          queue[0] = bytes.subarray(taken);
          break;
        }
        queue.shift();
      }
      if (total === 0) continue;
      gave = true;
      this.outbox.post(EVENT_SERIAL_TAKEN, encodeTaken(channel, total));
    }
    return gave;
  }
}
