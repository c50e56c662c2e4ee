/**
 * The 8254 interval timer (Intel 8254 data sheet 231164) behind ports 40h-43h, 1.193182 MHz. OUT of counter 0 is IRQ0;
 * counter 2's GATE and OUT belong to port 61h (port-61.ts).
 */
import { defineState, type StateOf } from '../state/state.ts';
import { ERA_SECONDS, type Device, type IrqLine, type PortBus, type Timer, type Timers } from './device.ts';
import { ChannelState, PitChannel } from './pit-channel.ts';
import { nsOfTick, ticksAt } from './ticks.ts';

export const PIT_HZ = 1193182;

const PORT_COUNTER0 = 0x40;
const PORT_CONTROL = 0x43; // W: SC1 SC0 RW1 RW0 M2 M1 M0 BCD
const READ_BACK = 3;

export const PitState = defineState('pit', 1, { channel0: ChannelState, channel1: ChannelState, channel2: ChannelState });

export class Pit implements Device<StateOf<typeof PitState>> {
  private readonly channels: readonly [PitChannel, PitChannel, PitChannel];
  private readonly time: Timers;
  private readonly irq0: IrqLine;
  private readonly timer: Timer;

  constructor(ports: PortBus, time: Timers, irq0: IrqLine) {
    this.time = time;
    this.irq0 = irq0;
    const now = () => this.nowTick();
    this.channels = [new PitChannel(now, true), new PitChannel(now, true), new PitChannel(now, false)];
    this.timer = time.create(() => this.onEdge());
    time.onEra(() => this.shiftByEra());
    for (const [i, channel] of this.channels.entries()) {
      ports.onRead(PORT_COUNTER0 + i, () => channel.read());
      ports.onWrite(PORT_COUNTER0 + i, value => {
        channel.write(value);
        if (i === 0) this.follow(this.nowTick());
      });
    }
    ports.onWrite(PORT_CONTROL, value => this.control(value));
  }

  /** Port 61h bit 0. */
  setGate2(level: boolean) {
    this.channels[2].setGate(level);
  }
  out2(): boolean {
    return this.channels[2].out();
  }

  private control(value: number) {
    const select = value >> 6;
    const access = (value >> 4) & 3;
    if (select === READ_BACK) {
      for (const [i, channel] of this.channels.entries()) {
        if ((value & (2 << i)) === 0) continue;
        if ((value & 0x20) === 0) channel.latchCount();
        if ((value & 0x10) === 0) channel.latchStatus();
      }
      return;
    }
    const channel = this.channels[select as 0 | 1 | 2];
    if (access === 0) {
      channel.latchCount();
      return;
    }
    channel.control(access, (value >> 1) & 7, (value & 1) !== 0);
    if (select === 0) this.follow(this.nowTick());
  }

  private onEdge() {
    const [channel] = this.channels;
    const now = this.nowTick();
    // Of pulses that were skipped over the guest sees one: it does not run between them. A one-shot has one pulse, and nobody starts it again if that is lost.
    const shown = channel.periodic ? Math.max(this.edgeTick, now - 2 * channel.periodAt(now)) : this.edgeTick;
    if (shown > this.edgeTick) this.irq0.set(false);
    this.follow(shown);
  }

  private edgeTick = 0;

  /** IRQ0 as OUT is at `tick`, and the timer on the next edge. */
  private follow(tick: number) {
    const channel = this.channels[0];
    this.irq0.set(channel.out(tick));
    const edge = channel.nextEdge(tick);
    if (edge === undefined) {
      this.timer.disarm();
      return;
    }
    this.edgeTick = edge;
    this.timer.arm(nsOfTick(edge, PIT_HZ), !channel.periodic);
  }

  private shiftByEra() {
    for (const channel of this.channels) channel.shift(ERA_SECONDS * PIT_HZ);
    this.edgeTick -= ERA_SECONDS * PIT_HZ;
  }

  private nowTick() {
    return ticksAt(this.time.nowNs(), PIT_HZ);
  }

  reset() {
    this.channels[0].reset(true);
    this.channels[1].reset(true);
    this.channels[2].reset(false);
    this.timer.disarm();
    this.irq0.set(false);
  }
  saveState() {
    const [channel0, channel1, channel2] = this.channels;
    return { channel0: channel0.saveState(), channel1: channel1.saveState(), channel2: channel2.saveState() };
  }
  loadState(raw: unknown) {
    const state = PitState.parse(raw);
    this.channels[0].loadState(state.channel0);
    this.channels[1].loadState(state.channel1);
    this.channels[2].loadState(state.channel2);
    this.follow(this.nowTick());
  }
}
