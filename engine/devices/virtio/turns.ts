/**
 * How much a device does for its driver in a stretch of virtual time. A driver decides how much there is to do; whoever fills its rings to the brim must not stop
 * its own machine for so long that it is paused, checkpointed or ended late. What is too much for one turn goes on in the next.
 *
 *   unit   a descriptor, a request to a drive, or a page of data
 */
import { type FieldType, struct, u32, u53 } from '../../state/state.ts';
import { ERA_SECONDS } from '../device.ts';
import type { DriveRequest } from '../drive.ts';

export const TURN_UNITS = 4096;
export const TURN_NS = 50_000;
const ERA_TURNS = (ERA_SECONDS * 1e9) / TURN_NS;
const PAGE_BYTES = 4096;

export const TurnsState = struct({
  /** The number of the turn under way: turns begin at multiples of TURN_NS. */
  turn: u53,
  /** Units done in it, and those that earlier ones did too many. */
  spent: u32,
});
const START: FieldType<typeof TurnsState> = { turn: 0, spent: 0 };

/** Of a state that was saved before there were turns. */
export const withTurns = (old: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  const { transport } = old;
  return typeof transport === 'object' && transport !== null ? { ...old, transport: { ...transport, turns: START } } : { ...old };
};

export class Turns {
  private s = START;

  spend(units: number, nowNs: number) {
    const { turn, spent } = this.at(nowNs);
    this.s = { turn, spent: spent + units };
  }

  /** When more may be done: now, or at the start of a later turn. */
  nextNs(nowNs: number): number {
    const { turn, spent } = this.at(nowNs);
    return spent < TURN_UNITS ? nowNs : (turn + Math.floor(spent / TURN_UNITS)) * TURN_NS;
  }

  /** Each turn takes off what it had room for. */
  private at(nowNs: number) {
    const turn = Math.floor(nowNs / TURN_NS);
    const { turn: last, spent } = this.s;
    return { turn, spent: Math.max(0, spent - Math.max(0, turn - last) * TURN_UNITS) };
  }

  /** The clock is about to go back by an era. */
  shiftByEra() {
    const { turn, spent } = this.s;
    this.s = { turn: Math.max(0, turn - ERA_TURNS), spent };
  }

  save(): FieldType<typeof TurnsState> {
    return { ...this.s };
  }
  /** State already parsed. */
  load(state: FieldType<typeof TurnsState>) {
    this.s = { ...state };
  }
}

export const pagesOf = (bytes: number) => Math.ceil(bytes / PAGE_BYTES);

/** What requests to a drive cost, in units. */
export function unitsOf(requests: readonly DriveRequest[]): number {
  let units = requests.length;
  for (const request of requests) {
    if ('ranges' in request) for (const { length } of request.ranges) units += pagesOf(length);
    else if (request.kind === 'write-bytes') units += pagesOf(request.bytes.length);
  }
  return units;
}
