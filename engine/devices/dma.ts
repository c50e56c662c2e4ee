/**
 * The two 8237A DMA controllers and the page registers of a PC/AT (Intel 8237A data sheet 231466; page registers: 82371SB PIIX3
 * § 2.4). No device asks for a transfer, so this is the register file: addresses, counts, modes, masks, the byte flip-flop.
 */
import { bool, bytes, defineState, list, type StateOf, struct, u16, u8 } from '../state/state.ts';
import type { Device, PortBus } from './device.ts';

const CHANNELS = 4;
const PAGE_PORT = 0x80;
const PAGE_PORTS = 16;

const Reg = { Command: 8, Request: 9, Mask: 10, Mode: 11, ClearFlipFlop: 12, MasterClear: 13, ClearMask: 14, MaskAll: 15 } as const;

const ControllerState = struct({
  baseAddress: list(u16, CHANNELS),
  baseCount: list(u16, CHANNELS),
  mode: list(u8, CHANNELS),
  command: u8,
  mask: u8,
  request: u8,
  high: bool,
});
export const DmaState = defineState('dma', 1, { low: ControllerState, high: ControllerState, pages: bytes(PAGE_PORTS) });

class Dma8237 {
  private baseAddress = [0, 0, 0, 0];
  private baseCount = [0, 0, 0, 0];
  private mode = [0, 0, 0, 0];
  private command = 0;
  private mask = 0x0f;
  private request = 0;
  private high = false;

  /** The second controller is wired for words: its registers are two ports apart. */
  constructor(ports: PortBus, base: number, stride: number) {
    for (let reg = 0; reg < 16; reg++) {
      ports.onRead(base + reg * stride, () => this.read(reg));
      ports.onWrite(base + reg * stride, value => this.write(reg, value));
    }
  }

  private read(reg: number): number {
    if (reg < 8) {
      const value = (reg & 1) === 0 ? this.baseAddress[reg >> 1]! : this.baseCount[reg >> 1]!;
      this.high = !this.high;
      return this.high ? value & 0xff : value >> 8;
    }
    if (reg === Reg.Command) return this.request << 4;
    return reg === Reg.MaskAll ? 0xf0 | this.mask : 0xff;
  }

  private write(reg: number, value: number) {
    if (reg < 8) {
      const registers = (reg & 1) === 0 ? this.baseAddress : this.baseCount;
      const old = registers[reg >> 1]!;
      registers[reg >> 1] = this.high ? (old & 0xff) | (value << 8) : (old & 0xff00) | value;
      this.high = !this.high;
      return;
    }
    const bit = 1 << (value & 3);
    switch (reg) {
      case Reg.Command:
        this.command = value;
        break;
      case Reg.Request:
        this.request = (value & 4) !== 0 ? this.request | bit : this.request & ~bit;
        break;
      case Reg.Mask:
        this.mask = (value & 4) !== 0 ? this.mask | bit : this.mask & ~bit;
        break;
      case Reg.Mode:
        this.mode[value & 3] = value & 0xfc;
        break;
      case Reg.ClearFlipFlop:
        this.high = false;
        break;
      case Reg.MasterClear:
        this.clear();
        break;
      case Reg.ClearMask:
        this.mask = 0;
        break;
      default:
        this.mask = value & 0x0f;
    }
  }

  clear() {
    this.command = 0;
    this.request = 0;
    this.mask = 0x0f;
    this.high = false;
  }

  save() {
    const { command, mask, request, high } = this;
    return { baseAddress: [...this.baseAddress], baseCount: [...this.baseCount], mode: [...this.mode], command, mask, request, high };
  }
  /** State already parsed. */
  load(state: ReturnType<Dma8237['save']>) {
    const four = (values: number[]) => [0, 1, 2, 3].map(i => values[i] ?? 0);
    this.baseAddress = four(state.baseAddress);
    this.baseCount = four(state.baseCount);
    this.mode = four(state.mode);
    this.command = state.command;
    this.mask = state.mask;
    this.request = state.request;
    this.high = state.high;
  }
}

export class Dma implements Device<StateOf<typeof DmaState>> {
  private readonly low: Dma8237;
  private readonly high: Dma8237;
  /** 80h is the POST code port too. */
  private readonly pages = new Uint8Array(PAGE_PORTS);

  constructor(ports: PortBus) {
    this.low = new Dma8237(ports, 0x00, 1);
    this.high = new Dma8237(ports, 0xc0, 2);
    for (let i = 0; i < PAGE_PORTS; i++) {
      ports.onRead(PAGE_PORT + i, () => this.pages[i]!);
      ports.onWrite(PAGE_PORT + i, value => {
        this.pages[i] = value;
      });
    }
  }

  reset() {
    this.low.clear();
    this.high.clear();
  }
  saveState() {
    return { low: this.low.save(), high: this.high.save(), pages: this.pages.slice() };
  }
  loadState(raw: unknown) {
    const state = DmaState.parse(raw);
    this.low.load(state.low);
    this.high.load(state.high);
    this.pages.set(state.pages);
  }
}
