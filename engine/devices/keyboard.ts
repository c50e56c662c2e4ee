/**
 * A PS/2 keyboard (IBM PS/2 Hardware Interface Technical Reference, "Keyboard"; scan code sets 1 and 2). It keeps set-2 codes, as the
 * wire does; the controller's translation to set 1 is applied when a byte is taken.
 */
import { bool, bytes, type FieldType, range, struct, u8 } from '../state/state.ts';
import { ByteQueue } from './byte-queue.ts';
import { SET2_BREAK, toSet1, toSet2 } from './scancodes.ts';

const ACK = 0xfa;
const RESEND = 0xfe;
const SELF_TEST_OK = 0xaa;
const Cmd = {
  SetLeds: 0xed,
  Echo: 0xee,
  ScancodeSet: 0xf0,
  Identify: 0xf2,
  TypeRate: 0xf3,
  Enable: 0xf4,
  DefaultsDisable: 0xf5,
  Defaults: 0xf6,
  Resend: 0xfe,
  Reset: 0xff,
} as const;
const IDENTITY = [0xab, 0x83] as const;
const BUFFER_BYTES = 64;
const ANSWER_BYTES = 16;

export const KeyboardState = struct({
  enabled: bool,
  scancodeSet: range(1, 3),
  leds: u8,
  typeRate: u8,
  /** The command whose parameter comes next; 0 = none. */
  expecting: u8,
  lastSent: u8,
  buffer: bytes(BUFFER_BYTES),
  bufferLength: range(0, BUFFER_BYTES),
  /** Answers to commands go first. */
  answers: bytes(ANSWER_BYTES),
  answerLength: range(0, ANSWER_BYTES),
});

export class Keyboard {
  leds = 0;
  private enabled = true;
  private scancodeSet = 2;
  private typeRate = 0x2b;
  private expecting = 0;
  private lastSent = 0;
  private readonly buffer = new ByteQueue(BUFFER_BYTES);
  private readonly answers = new ByteQueue(ANSWER_BYTES);

  /** Keys as set-1 bytes. Without translation, in set 1, they go out as they are. */
  type(scancodes: Uint8Array) {
    if (!this.enabled) return;
    for (const byte of scancodes) {
      const codes = this.scancodeSet === 1 ? [byte] : toSet2(byte);
      if (this.buffer.capacity - this.buffer.length < codes.length) return;
      for (const code of codes) this.buffer.push(code);
    }
  }

  /** The next byte for the controller's output buffer, translated when asked for. */
  take(translate: boolean): number | undefined {
    let released = 0;
    for (;;) {
      const answer = this.answers.shift();
      const byte = answer ?? this.buffer.shift();
      if (byte === undefined) return undefined;
      this.lastSent = byte;
      if (!translate) return byte;
      if (answer !== undefined) return toSet1(answer);
      if (byte === SET2_BREAK) {
        released = 0x80;
        continue;
      }
      return toSet1(byte) | released;
    }
  }

  command(value: number) {
    const pending = this.expecting;
    this.expecting = 0;
    if (pending !== 0 && value < 0x80) this.parameter(pending, value);
    else this.answer(...this.perform(value));
  }

  private parameter(command: number, value: number) {
    this.answer(ACK);
    if (command === Cmd.SetLeds) this.leds = value & 7;
    else if (command === Cmd.TypeRate) this.typeRate = value;
    else if (value === 0) this.answer(this.scancodeSet);
    else if (value <= 3) this.scancodeSet = value;
  }

  private perform(command: number): number[] {
    switch (command) {
      case Cmd.SetLeds:
      case Cmd.ScancodeSet:
      case Cmd.TypeRate:
        this.expecting = command;
        return [ACK];
      case Cmd.Echo:
        return [Cmd.Echo];
      case Cmd.Identify:
        return [ACK, ...IDENTITY];
      case Cmd.Enable:
        this.enabled = true;
        this.buffer.clear();
        return [ACK];
      case Cmd.DefaultsDisable:
      case Cmd.Defaults:
        this.reset();
        this.enabled = command === Cmd.Defaults;
        return [ACK];
      case Cmd.Resend:
        return [this.lastSent];
      case Cmd.Reset:
        this.reset();
        return [ACK, SELF_TEST_OK];
      default:
        return [RESEND];
    }
  }

  private answer(...bytes: number[]) {
    for (const byte of bytes) this.answers.push(byte);
  }

  reset() {
    this.leds = 0;
    this.enabled = true;
    this.scancodeSet = 2;
    this.typeRate = 0x2b;
    this.expecting = 0;
    this.lastSent = 0;
    this.buffer.clear();
    this.answers.clear();
  }

  save(): FieldType<typeof KeyboardState> {
    const { enabled, scancodeSet, leds, typeRate, expecting, lastSent } = this;
    return {
      enabled,
      scancodeSet,
      leds,
      typeRate,
      expecting,
      lastSent,
      buffer: this.buffer.save(),
      bufferLength: this.buffer.length,
      answers: this.answers.save(),
      answerLength: this.answers.length,
    };
  }
  /** State already parsed. */
  load(state: FieldType<typeof KeyboardState>) {
    this.enabled = state.enabled;
    this.scancodeSet = state.scancodeSet;
    this.leds = state.leds;
    this.typeRate = state.typeRate;
    this.expecting = state.expecting;
    this.lastSent = state.lastSent;
    this.buffer.load(state.buffer, state.bufferLength);
    this.answers.load(state.answers, state.answerLength);
  }
}
