/**
 * The text half of a VGA (IBM VGA hardware: PS/2 Hardware Interface Technical Reference, "Video Subsystem"): all register files, and
 * the picture of a text mode from B8000h. Planes and fonts at A0000h are not kept: reads give ones and writes are dropped by the bus.
 */
import { bool, bytes, defineState, range, type StateOf, u8 } from '../state/state.ts';
import type { Clock, Device, GuestMemory, PortBus } from './device.ts';

const Crtc = {
  HorizontalEnd: 0x01,
  Overflow: 0x07,
  MaxScanLine: 0x09,
  CursorStart: 0x0a,
  StartHigh: 0x0c,
  StartLow: 0x0d,
  CursorHigh: 0x0e,
  CursorLow: 0x0f,
  VerticalSyncEnd: 0x11,
  VerticalEnd: 0x12,
} as const;
const CRTC_PROTECT = 0x80;
const CURSOR_OFF = 0x20;
const MISC_COLOR = 1 << 0;

const TEXT_BASE = 0xb8000;
const TEXT_BYTES = 0x8000;
const MAX_COLUMNS = 160;
const MAX_ROWS = 100;

/** 70 Hz frames of 449 lines; the last 49 are vertical retrace, the last fifth of a line is blank. */
const FRAME_NS = 14268e3;
const LINE_NS = FRAME_NS / 449;

/** Register values of mode 3, 80×25 with 16-line characters, as a VGA BIOS leaves them. */
const MODE3 = {
  misc: 0x67,
  sequencer: [0x03, 0x00, 0x03, 0x00, 0x02],
  crtc: [
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3,
    0xff,
  ],
  graphics: [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff],
  attribute: [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00],
};

export const VgaState = defineState('vga', 1, {
  misc: u8,
  feature: u8,
  sequencerIndex: u8,
  sequencer: bytes(8),
  crtcIndex: u8,
  crtc: bytes(0x20),
  graphicsIndex: u8,
  graphics: bytes(16),
  attributeIndex: u8,
  attribute: bytes(0x20),
  attributeData: bool,
  dacMask: u8,
  dacReadIndex: u8,
  dacWriteIndex: u8,
  dacComponent: range(0, 2),
  dacReading: bool,
  dac: bytes(768),
});

export class Vga implements Device<StateOf<typeof VgaState>> {
  private misc = 0;
  private feature = 0;
  private sequencerIndex = 0;
  private readonly sequencer = new Uint8Array(8);
  private crtcIndex = 0;
  private readonly crtc = new Uint8Array(0x20);
  private graphicsIndex = 0;
  private readonly graphics = new Uint8Array(16);
  private attributeIndex = 0;
  private readonly attribute = new Uint8Array(0x20);
  /** The flip-flop of 3C0h: false = index next. */
  private attributeData = false;
  private dacMask = 0xff;
  private dacReadIndex = 0;
  private dacWriteIndex = 0;
  private dacComponent = 0;
  private dacReading = false;
  private readonly dac = new Uint8Array(768);
  private readonly clock: Clock;

  constructor(ports: PortBus, clock: Clock) {
    this.clock = clock;
    this.attributePorts(ports);
    this.dacPorts(ports);
    ports.onWrite(0x3c2, value => {
      this.misc = value;
    });
    ports.onRead(0x3c2, () => 0x10); // switch sense
    ports.onRead(0x3cc, () => this.misc);
    ports.onRead(0x3ca, () => this.feature);
    ports.onRead(0x3c4, () => this.sequencerIndex);
    ports.onWrite(0x3c4, value => {
      this.sequencerIndex = value & 7;
    });
    ports.onRead(0x3c5, () => this.sequencer[this.sequencerIndex]!);
    ports.onWrite(0x3c5, value => {
      this.sequencer[this.sequencerIndex] = value;
    });
    ports.onRead(0x3ce, () => this.graphicsIndex);
    ports.onWrite(0x3ce, value => {
      this.graphicsIndex = value & 15;
    });
    ports.onRead(0x3cf, () => this.graphics[this.graphicsIndex]!);
    ports.onWrite(0x3cf, value => {
      this.graphics[this.graphicsIndex] = value;
    });
    // The CRTC and input status 1 lie at 3Dxh in color, at 3Bxh in monochrome modes.
    for (const [base, color] of [
      [0x3d0, true],
      [0x3b0, false],
    ] as const) {
      const mapped = () => ((this.misc & MISC_COLOR) !== 0) === color;
      ports.onRead(base + 4, () => (mapped() ? this.crtcIndex : 0xff));
      ports.onWrite(base + 4, value => {
        if (mapped()) this.crtcIndex = value & 0x1f;
      });
      ports.onRead(base + 5, () => (mapped() ? this.crtc[this.crtcIndex]! : 0xff));
      ports.onWrite(base + 5, value => {
        if (mapped()) this.writeCrtc(value);
      });
      ports.onRead(base + 10, () => (mapped() ? this.inputStatus1() : 0xff));
      ports.onWrite(base + 10, value => {
        if (mapped()) this.feature = value;
      });
    }
    this.reset();
  }

  private attributePorts(ports: PortBus) {
    ports.onRead(0x3c0, () => this.attributeIndex);
    ports.onRead(0x3c1, () => this.attribute[this.attributeIndex & 0x1f]!);
    ports.onWrite(0x3c0, value => {
      if (this.attributeData) this.attribute[this.attributeIndex & 0x1f] = value;
      else this.attributeIndex = value & 0x3f;
      this.attributeData = !this.attributeData;
    });
  }

  private dacPorts(ports: PortBus) {
    ports.onRead(0x3c6, () => this.dacMask);
    ports.onWrite(0x3c6, value => {
      this.dacMask = value;
    });
    ports.onRead(0x3c7, () => (this.dacReading ? 3 : 0));
    ports.onWrite(0x3c7, value => {
      this.dacReadIndex = value;
      this.dacComponent = 0;
      this.dacReading = true;
    });
    ports.onRead(0x3c8, () => this.dacWriteIndex);
    ports.onWrite(0x3c8, value => {
      this.dacWriteIndex = value;
      this.dacComponent = 0;
      this.dacReading = false;
    });
    ports.onRead(0x3c9, () => {
      const value = this.dac[this.dacReadIndex * 3 + this.dacComponent]!;
      if (this.nextComponent()) this.dacReadIndex = (this.dacReadIndex + 1) & 0xff;
      return value;
    });
    ports.onWrite(0x3c9, value => {
      this.dac[this.dacWriteIndex * 3 + this.dacComponent] = value & 0x3f;
      if (this.nextComponent()) this.dacWriteIndex = (this.dacWriteIndex + 1) & 0xff;
    });
  }

  private nextComponent(): boolean {
    this.dacComponent = (this.dacComponent + 1) % 3;
    return this.dacComponent === 0;
  }

  private writeCrtc(value: number) {
    const index = this.crtcIndex;
    if (index <= Crtc.Overflow && (this.crtc[Crtc.VerticalSyncEnd]! & CRTC_PROTECT) !== 0) {
      // Protected: only the line compare bit of the overflow register can change.
      if (index === Crtc.Overflow) this.crtc[index] = (this.crtc[index]! & ~0x10) | (value & 0x10);
      return;
    }
    this.crtc[index] = value;
  }

  /** Bit 0 display off, bit 3 vertical retrace; reading points 3C0h at its index. */
  private inputStatus1(): number {
    this.attributeData = false;
    const inFrame = this.clock.nowNs() % FRAME_NS;
    if (inFrame >= LINE_NS * 400) return 0x09;
    return inFrame % LINE_NS >= LINE_NS * 0.8 ? 0x01 : 0;
  }

  /** The text page as it is shown. */
  screen(memory: GuestMemory) {
    const columns = Math.min(this.crtc[Crtc.HorizontalEnd]! + 1, MAX_COLUMNS);
    const lines = 1 + this.crtc[Crtc.VerticalEnd]! + ((this.crtc[Crtc.Overflow]! & 0x02) << 7) + ((this.crtc[Crtc.Overflow]! & 0x40) << 3);
    const rows = Math.max(1, Math.min(Math.floor(lines / ((this.crtc[Crtc.MaxScanLine]! & 0x1f) + 1)), MAX_ROWS));
    const start = (this.crtc[Crtc.StartHigh]! << 8) | this.crtc[Crtc.StartLow]!;
    const page = new Uint8Array(TEXT_BYTES);
    memory.read(TEXT_BASE, page);
    const cells = new Uint8Array(columns * rows * 2);
    for (let i = 0; i < cells.length; i++) cells[i] = page[(start * 2 + i) % TEXT_BYTES]!;
    const cursor = ((this.crtc[Crtc.CursorHigh]! << 8) | this.crtc[Crtc.CursorLow]!) - start;
    const shown = (this.crtc[Crtc.CursorStart]! & CURSOR_OFF) === 0 && cursor >= 0 && cursor < columns * rows;
    return { kind: 'text' as const, columns, rows, cells, cursor: shown ? cursor : -1 };
  }

  /** Mode 3, as the firmware's video BIOS would leave it. */
  reset() {
    this.misc = MODE3.misc;
    this.feature = 0;
    this.sequencerIndex = 0;
    this.crtcIndex = 0;
    this.graphicsIndex = 0;
    this.attributeIndex = 0x20;
    this.attributeData = false;
    this.dacMask = 0xff;
    this.dacReadIndex = 0;
    this.dacWriteIndex = 0;
    this.dacComponent = 0;
    this.dacReading = false;
    for (const [file, values] of [
      [this.sequencer, MODE3.sequencer],
      [this.crtc, MODE3.crtc],
      [this.graphics, MODE3.graphics],
      [this.attribute, MODE3.attribute],
    ] as const) {
      file.fill(0);
      file.set(values);
    }
    this.dac.set(egaPalette());
  }
  saveState() {
    const { misc, feature, sequencerIndex, crtcIndex, graphicsIndex, attributeIndex, attributeData } = this;
    const { dacMask, dacReadIndex, dacWriteIndex, dacComponent, dacReading } = this;
    return {
      misc,
      feature,
      sequencerIndex,
      crtcIndex,
      graphicsIndex,
      attributeIndex,
      attributeData,
      dacMask,
      dacReadIndex,
      dacWriteIndex,
      dacComponent,
      dacReading,
      sequencer: this.sequencer.slice(),
      crtc: this.crtc.slice(),
      graphics: this.graphics.slice(),
      attribute: this.attribute.slice(),
      dac: this.dac.slice(),
    };
  }
  loadState(raw: unknown) {
    const state = VgaState.parse(raw);
    this.misc = state.misc;
    this.feature = state.feature;
    this.sequencerIndex = state.sequencerIndex & 7;
    this.sequencer.set(state.sequencer);
    this.crtcIndex = state.crtcIndex & 0x1f;
    this.crtc.set(state.crtc);
    this.graphicsIndex = state.graphicsIndex & 15;
    this.graphics.set(state.graphics);
    this.attributeIndex = state.attributeIndex;
    this.attribute.set(state.attribute);
    this.attributeData = state.attributeData;
    this.dacMask = state.dacMask;
    this.dacReadIndex = state.dacReadIndex;
    this.dacWriteIndex = state.dacWriteIndex;
    this.dacComponent = state.dacComponent;
    this.dacReading = state.dacReading;
    this.dac.set(state.dac);
  }
}

/** The 64 EGA colors (rgbRGB) as 6-bit DAC values; the rest of the 256 stays black. */
function egaPalette(): Uint8Array {
  const dac = new Uint8Array(768);
  for (let color = 0; color < 64; color++) {
    for (const [i, bit] of [2, 1, 0].entries()) dac[color * 3 + i] = ((color >> bit) & 1) * 0x2a + ((color >> (bit + 3)) & 1) * 0x15;
  }
  return dac;
}
