/** The text screen as the kernel has seen it last, and the rows that differ now (payload of main/ipc/frames.ts, kind 2). */
import type { TextScreen } from '#engine/machine/machine.ts';

const NO_CURSOR = 0xffff;

export class ScreenDiff {
  private sent: Uint8Array | undefined;
  private columns = 0;
  private rows = 0;
  private cursor = 0;

  /** The next frame carries every row. */
  forget(): void {
    this.sent = undefined;
  }

  /** Undefined when nothing has changed since the last frame. */
  frame(screen: TextScreen): Uint8Array | undefined {
    const cursor = screen.cursor < 0 ? NO_CURSOR : screen.cursor;
    const rowSize = screen.columns * 2;
    const whole = this.sent === undefined || this.columns !== screen.columns || this.rows !== screen.rows;
    const changed: number[] = [];
    for (let row = 0; row < screen.rows; row++) {
      if (whole || !sameBytes(this.sent!, screen.cells, row * rowSize, rowSize)) changed.push(row);
    }
    if (changed.length === 0 && cursor === this.cursor) return undefined;

    const payload = new Uint8Array(4 + changed.length * (1 + rowSize));
    payload.set([screen.columns, screen.rows, cursor & 0xff, cursor >> 8]);
    changed.forEach((row, i) => {
      const at = 4 + i * (1 + rowSize);
      payload[at] = row;
      payload.set(screen.cells.subarray(row * rowSize, (row + 1) * rowSize), at + 1);
    });
    this.sent = screen.cells.slice();
    this.columns = screen.columns;
    this.rows = screen.rows;
    this.cursor = cursor;
    return payload;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array, from: number, length: number): boolean {
  for (let i = from; i < from + length; i++) if (a[i] !== b[i]) return false;
  return true;
}
