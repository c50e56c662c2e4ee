/**
 * The 8042 keyboard controller of a PC/AT (IBM PC/AT Technical Reference, "Keyboard Controller"; ports 60h/64h). The auxiliary
 * port exists but no mouse answers on it. The host's keys come as set-1 bytes, which is what translation makes of set 2.
 *
 *   64h R status: PERR TO AUXB KEYL C/D SYS IBF OBF · command byte: 0 XLAT DIS2 DIS1 0 SYS INT2 INT1
 */
import { bool, bytes, defineState, range, type StateOf, u8 } from '../state/state.ts';
import { ByteQueue } from './byte-queue.ts';
import type { Device, IrqLine, PortBus } from './device.ts';
import { Keyboard, KeyboardState } from './keyboard.ts';

const PORT_DATA = 0x60;
const PORT_COMMAND = 0x64;

const OBF = 1 << 0;
const SYS = 1 << 2;
const COMMAND = 1 << 3;
const UNLOCKED = 1 << 4;
const AUX = 1 << 5;

const INT1 = 1 << 0;
const INT2 = 1 << 1;
const DISABLE1 = 1 << 4;
const DISABLE2 = 1 << 5;
const TRANSLATE = 1 << 6;

/** Output port: bit 0 low = reset, bit 1 A20, 4-5 the output buffers' interrupts. */
const OUT_NO_RESET = 1 << 0;
const OUT_A20 = 1 << 1;

const Cmd = {
  ReadCommandByte: 0x20,
  WriteCommandByte: 0x60,
  DisableAux: 0xa7,
  EnableAux: 0xa8,
  TestAux: 0xa9,
  SelfTest: 0xaa,
  TestKeyboard: 0xab,
  DisableKeyboard: 0xad,
  EnableKeyboard: 0xae,
  ReadInputPort: 0xc0,
  ReadOutputPort: 0xd0,
  WriteOutputPort: 0xd1,
  WriteKeyboardBuffer: 0xd2,
  WriteAuxBuffer: 0xd3,
  WriteAux: 0xd4,
  PulseOutput: 0xf0,
} as const;
const SELF_TEST_OK = 0x55;
const REPLY_BYTES = 16;

export const KeyboardControllerState = defineState('keyboard-controller', 1, {
  commandByte: u8,
  outputPort: u8,
  /** The command whose data byte port 60h gets next; 0 = the keyboard gets it. */
  expecting: u8,
  lastWasCommand: bool,
  output: u8,
  outputFull: bool,
  outputFromAux: bool,
  /** The controller's own answers, ahead of the keyboard's. */
  replies: bytes(REPLY_BYTES),
  replyCount: range(0, REPLY_BYTES),
  repliesAux: bool,
  ram: bytes(32),
  keyboard: KeyboardState,
});

export interface KeyboardControllerPins {
  irq1: IrqLine;
  irq12: IrqLine;
  setA20(enabled: boolean): void;
  a20(): boolean;
  requestReset(): void;
}

export class KeyboardController implements Device<StateOf<typeof KeyboardControllerState>> {
  private commandByte = 0;
  private expecting = 0;
  private lastWasCommand = false;
  private output = 0;
  private outputFull = false;
  private outputFromAux = false;
  private repliesAux = false;
  private outputPort = OUT_NO_RESET;
  private readonly replies = new ByteQueue(REPLY_BYTES);
  private readonly ram = new Uint8Array(32);
  private readonly keyboard = new Keyboard();
  private readonly pins: KeyboardControllerPins;

  constructor(ports: PortBus, pins: KeyboardControllerPins) {
    this.pins = pins;
    ports.onRead(PORT_DATA, () => this.readData());
    ports.onWrite(PORT_DATA, value => this.writeData(value));
    ports.onRead(PORT_COMMAND, () => this.status());
    ports.onWrite(PORT_COMMAND, value => this.writeCommand(value));
    this.reset();
  }

  /** Set-1 bytes from the host; what the keyboard's buffer cannot hold is lost, as on a real one. */
  type(scancodes: Uint8Array) {
    this.keyboard.type(scancodes);
    this.pump();
  }

  get leds() {
    return this.keyboard.leds;
  }

  private status(): number {
    return (
      (this.outputFull ? OBF : 0) |
      (this.commandByte & SYS) |
      (this.lastWasCommand ? COMMAND : 0) |
      UNLOCKED |
      (this.outputFull && this.outputFromAux ? AUX : 0)
    );
  }

  private readData(): number {
    const value = this.output;
    this.outputFull = false;
    this.updateIrq();
    this.pump();
    return value;
  }

  /** Fills the empty output buffer: the controller's replies first, then the keyboard if its clock is not held. */
  private pump() {
    if (!this.outputFull) {
      const reply = this.replies.shift();
      if (reply !== undefined) this.present(reply, this.repliesAux);
      else if ((this.commandByte & DISABLE1) === 0) {
        const byte = this.keyboard.take((this.commandByte & TRANSLATE) !== 0);
        if (byte !== undefined) this.present(byte, false);
      }
    }
    this.updateIrq();
  }

  private present(byte: number, aux: boolean) {
    this.output = byte;
    this.outputFull = true;
    this.outputFromAux = aux;
  }

  private reply(byte: number, aux = false) {
    this.repliesAux = aux;
    this.replies.push(byte);
    this.pump();
  }

  private updateIrq() {
    this.pins.irq1.set(this.outputFull && !this.outputFromAux && (this.commandByte & INT1) !== 0);
    this.pins.irq12.set(this.outputFull && this.outputFromAux && (this.commandByte & INT2) !== 0);
  }

  private writeCommand(value: number) {
    this.lastWasCommand = true;
    this.expecting = 0;
    if (value >= Cmd.PulseOutput) {
      if ((value & OUT_NO_RESET) === 0) this.pins.requestReset();
    } else if (value >= Cmd.ReadCommandByte && value < Cmd.ReadCommandByte + 32) {
      this.reply(value === Cmd.ReadCommandByte ? this.commandByte : this.ram[value & 31]!);
    } else if (value >= Cmd.WriteCommandByte && value < Cmd.WriteCommandByte + 32) {
      this.expecting = value;
    } else {
      this.command(value);
    }
  }

  private command(value: number) {
    switch (value) {
      case Cmd.DisableAux:
        this.setCommandByte(this.commandByte | DISABLE2);
        break;
      case Cmd.EnableAux:
        this.setCommandByte(this.commandByte & ~DISABLE2);
        break;
      case Cmd.TestAux:
        this.reply(0);
        break;
      case Cmd.SelfTest:
        this.setCommandByte(this.commandByte | SYS | DISABLE1 | DISABLE2);
        this.reply(SELF_TEST_OK);
        break;
      case Cmd.TestKeyboard:
        this.reply(0);
        break;
      case Cmd.DisableKeyboard:
        this.setCommandByte(this.commandByte | DISABLE1);
        break;
      case Cmd.EnableKeyboard:
        this.setCommandByte(this.commandByte & ~DISABLE1);
        break;
      case Cmd.ReadInputPort:
        this.reply(0x80);
        break; // keyboard not locked
      case Cmd.ReadOutputPort:
        this.reply((this.outputPort & ~OUT_A20) | (this.pins.a20() ? OUT_A20 : 0) | (this.outputFull ? 0x10 : 0));
        break;
      case Cmd.WriteOutputPort:
      case Cmd.WriteKeyboardBuffer:
      case Cmd.WriteAuxBuffer:
      case Cmd.WriteAux:
        this.expecting = value;
        break;
      default: // other commands do nothing
    }
  }

  private writeData(value: number) {
    this.lastWasCommand = false;
    const command = this.expecting;
    this.expecting = 0;
    if (command >= Cmd.WriteCommandByte && command < Cmd.WriteCommandByte + 32) {
      if (command === Cmd.WriteCommandByte) this.setCommandByte(value);
      else this.ram[command & 31] = value;
      return;
    }
    switch (command) {
      case Cmd.WriteOutputPort:
        this.outputPort = value;
        this.pins.setA20((value & OUT_A20) !== 0);
        if ((value & OUT_NO_RESET) === 0) this.pins.requestReset();
        return;
      case Cmd.WriteKeyboardBuffer:
        this.reply(value);
        return;
      case Cmd.WriteAuxBuffer:
        this.reply(value, true);
        return;
      case Cmd.WriteAux: // no mouse: the byte gets no answer
        return;
      default:
        this.commandByte &= ~DISABLE1; // sending to the keyboard releases its clock
        this.keyboard.command(value);
        this.pump();
    }
  }

  private setCommandByte(value: number) {
    this.commandByte = value & 0x7f;
    this.pump();
  }

  /** As the firmware leaves it: translation, keyboard interrupt on. */
  reset() {
    this.commandByte = TRANSLATE | SYS | INT1 | DISABLE2;
    this.outputPort = OUT_NO_RESET;
    this.expecting = 0;
    this.lastWasCommand = false;
    this.output = 0;
    this.outputFull = false;
    this.outputFromAux = false;
    this.repliesAux = false;
    this.replies.clear();
    this.ram.fill(0);
    this.keyboard.reset();
    this.updateIrq();
  }
  saveState() {
    const { commandByte, outputPort, expecting, lastWasCommand, output, outputFull, outputFromAux, repliesAux } = this;
    return {
      commandByte,
      outputPort,
      expecting,
      lastWasCommand,
      output,
      outputFull,
      outputFromAux,
      repliesAux,
      replies: this.replies.save(),
      replyCount: this.replies.length,
      ram: this.ram.slice(),
      keyboard: this.keyboard.save(),
    };
  }
  loadState(raw: unknown) {
    const state = KeyboardControllerState.parse(raw);
    this.commandByte = state.commandByte;
    this.outputPort = state.outputPort;
    this.expecting = state.expecting;
    this.lastWasCommand = state.lastWasCommand;
    this.output = state.output;
    this.outputFull = state.outputFull;
    this.outputFromAux = state.outputFromAux;
    this.repliesAux = state.repliesAux;
    this.replies.load(state.replies, state.replyCount);
    this.ram.set(state.ram);
    this.keyboard.load(state.keyboard);
    this.updateIrq();
  }
}
