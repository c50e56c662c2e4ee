/**
 * The virtio entropy device (Virtual I/O Device Specification 1.2 § 5.4): the driver gives buffers, the device fills them with random bytes of the
 * host's.
 */
import { defineState, type StateOf } from '../../state/state.ts';
import type { Device } from '../device.ts';
import { scatter, totalLength } from '../guest-ranges.ts';
import type { Chain } from './queue.ts';
import { pagesOf } from './turns.ts';
import { virtioState, VirtioPci, type VirtioWiring } from './virtio-pci.ts';

const TYPE = 4;
const NO_CLASS = 0xff0000;
const QUEUE_SIZE = 64;
/** Of one buffer: a device may fill less than all of it (§ 5.4.6.2). */
const MOST_BYTES = 4096;

export const VirtioRngState = defineState('virtio-rng', 1, { transport: virtioState(1) });

/** Fills it with what nobody can foresee, or, in a run that must be repeatable, with what depends on nothing but virtual time. */
export type RandomSource = (into: Uint8Array) => void;

export class VirtioRng implements Device<StateOf<typeof VirtioRngState>> {
  private readonly transport: VirtioPci;
  private readonly random: RandomSource;

  constructor(wiring: VirtioWiring, random: RandomSource) {
    this.random = random;
    this.transport = new VirtioPci(wiring, {
      type: TYPE,
      classCode: NO_CLASS,
      features: 0,
      queueSizes: [QUEUE_SIZE],
      readConfig: () => new Uint8Array(),
      request: (queue, chain) => this.request(queue, chain),
      reset: () => {},
    });
  }

  /** § 5.4.6.1: buffers are for the device to write. */
  private request(queue: number, chain: Chain): 'broken' | void {
    if (chain.readable.length > 0) return 'broken';
    const length = Math.min(totalLength(chain.writable), MOST_BYTES);
    const writes = scatter(chain.writable, this.draw(length));
    this.transport.finish(this.transport.start(queue, chain, { length, writes }, pagesOf(length)));
  }

  private draw(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.random(bytes);
    return bytes;
  }

  /** This machine is another than the one that had these buffers filled: each of them gets bytes of its own. */
  drawAgain() {
    for (const { ending } of this.transport.underWay) for (const { bytes } of ending.writes) bytes.set(this.draw(bytes.length));
  }

  reset() {
    this.transport.reset();
  }
  saveState() {
    return { transport: this.transport.save() };
  }
  loadState(raw: unknown) {
    this.transport.load(VirtioRngState.parse(raw).transport);
  }
  restored() {
    this.transport.restored();
  }
}
