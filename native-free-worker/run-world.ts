/** The life of a vcpu worker around its loop: build the machine, run it, and whatever goes wrong say so in the world's last event. */
import { CairnError, InvariantError } from '#engine/errors/errors.ts';
import type { Machine } from '#engine/machine/machine.ts';
import { Outbox } from './outbox.ts';
import type { RunOptions, WorldEnd } from './protocol.ts';
import { RingReader, RingWriter } from './ring.ts';
import { VcpuLoop, type VcpuCheckpoint, type VcpuDisks } from './vcpu-loop.ts';
import { actionRing, eventRing, kernelDoorbell, serialRing, vcpuDoorbell } from './world-block.ts';

export interface BuiltMachine {
  readonly machine: Machine;
  readonly checkpoint: VcpuCheckpoint | undefined;
  readonly disks: VcpuDisks | undefined;
  /** A reset has something to boot from. */
  readonly canReboot: boolean;
}

export function runWorld(buffer: SharedArrayBuffer, options: RunOptions, build: (outbox: Outbox) => BuiltMachine): void {
  const bell = vcpuDoorbell(buffer);
  const kernelBell = kernelDoorbell(buffer);
  const outbox = new Outbox(new RingWriter(serialRing(buffer)), new RingWriter(eventRing(buffer)), kernelBell);
  let built: BuiltMachine | undefined;
  try {
    built = build(outbox);
    const actions = new RingReader(actionRing(buffer));
    const clocks = { hostNowNs: () => performance.now() * 1e6, hostUnixSeconds: () => Date.now() / 1000 };
    const loop = new VcpuLoop({ ...built, ...clocks, outbox, actions, bell, kernelBell, options });
    if (built.checkpoint) built.checkpoint.whenStorageFails = reason => loop.standStill(reason);
    loop.run();
  } catch (error) {
    outbox.finish(endOf(error, built !== undefined), bell);
  }
}

function endOf(error: unknown, ran: boolean): WorldEnd {
  if (!ran && error instanceof CairnError) return { kind: 'refused', code: error.code, message: error.message };
  if (error instanceof CairnError && !(error instanceof InvariantError)) return { kind: 'crashed', reason: error.message };
  return { kind: 'crashed', reason: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}
