/** Draws a TextScreen on a canvas, in whole device pixels: the glyphs are set anew at each size, so they are as crisp as any text. */
import { drawBoxGlyph } from './box-glyphs.ts';
import { CP437, VGA_COLOURS } from './cp437.ts';
import type { TextScreen } from './text-screen.ts';

/**
 * A VGA cell is 9×16 dots, and the 720×400 picture fills a 4:3 tube, so a cell is 2.4 times as high as wide. Fonts of today are
 * drawn for about 2: a little higher keeps the look of the tube and the shape of the letters.
 */
const CELL_RATIO = 2.1;
const FONT = 'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace';
const BLINK = 0x80;

export interface CellSize {
  readonly width: number;
  readonly height: number;
}

/** The largest cell in whole device pixels with which the screen fits. */
export function fitCells(columns: number, rows: number, width: number, height: number): CellSize {
  const cellWidth = Math.max(1, Math.floor(Math.min(width / columns, height / rows / CELL_RATIO)));
  return { width: cellWidth, height: Math.max(2, Math.min(Math.round(cellWidth * CELL_RATIO), Math.floor(height / rows))) };
}

export class ScreenPainter {
  private readonly context: CanvasRenderingContext2D;
  private size: CellSize = { width: 1, height: 2 };
  /** The font is stretched to fill the cell exactly. */
  private stretch = 1;
  private baseline = 0;

  constructor(canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d', { alpha: false });
    if (!context) throw new Error('this browser has no 2D canvas');
    this.context = context;
  }

  /** Clears the canvas. */
  resize(screen: TextScreen, size: CellSize): void {
    const { canvas } = this.context;
    canvas.width = screen.columns * size.width;
    canvas.height = screen.rows * size.height;
    this.size = size;
    const points = size.height * 0.78;
    this.context.font = `${points}px ${FONT}`;
    this.context.textBaseline = 'alphabetic';
    const metrics = this.context.measureText('M');
    this.stretch = size.width / metrics.width;
    const { fontBoundingBoxAscent: ascent, fontBoundingBoxDescent: descent } = metrics;
    this.baseline = Math.round((size.height - (ascent + descent)) / 2 + ascent);
  }

  drawRow(screen: TextScreen, row: number, blinkOn: boolean): void {
    const { context } = this;
    const { width, height } = this.size;
    const top = row * height;
    this.fillBackground(screen, row, top);
    for (let column = 0; column < screen.columns; column++) {
      const at = (row * screen.columns + column) * 2;
      const character = screen.cells[at] as number;
      const attribute = screen.cells[at + 1] as number;
      if (character === 0x20 || character === 0 || character === 0xff) continue;
      if (attribute & BLINK && !blinkOn) continue;
      context.fillStyle = VGA_COLOURS[attribute & 15] as string;
      const left = column * width;
      if (drawBoxGlyph(context, character, left, top, width, height)) continue;
      context.setTransform(this.stretch, 0, 0, 1, left, top);
      context.fillText(CP437[character] as string, 0, this.baseline);
      context.setTransform(1, 0, 0, 1, 0, 0);
    }
    if (blinkOn && screen.cursor !== undefined && Math.floor(screen.cursor / screen.columns) === row)
      this.drawCursor(screen, screen.cursor);
  }

  private fillBackground(screen: TextScreen, row: number, top: number): void {
    const colourAt = (column: number) => ((screen.cells[(row * screen.columns + column) * 2 + 1] as number) >> 4) & 7;
    for (let start = 0; start < screen.columns;) {
      const colour = colourAt(start);
      let end = start + 1;
      while (end < screen.columns && colourAt(end) === colour) end++;
      this.context.fillStyle = VGA_COLOURS[colour] as string;
      this.context.fillRect(start * this.size.width, top, (end - start) * this.size.width, this.size.height);
      start = end;
    }
  }

  /** Two scan lines at the foot of the cell, as the adapters start up. */
  private drawCursor(screen: TextScreen, cell: number): void {
    const { width, height } = this.size;
    const thickness = Math.max(1, Math.round(height / 8));
    this.context.fillStyle = VGA_COLOURS[(screen.cells[cell * 2 + 1] as number) & 15] as string;
    this.context.fillRect((cell % screen.columns) * width, (Math.floor(cell / screen.columns) + 1) * height - thickness, width, thickness);
  }
}
