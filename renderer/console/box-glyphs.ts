/**
 * Lines, blocks and shades of code page 437 (B0h–DFh), drawn as shapes: letters of a font leave gaps between cells, and a frame
 * around a menu must be one line.
 *
 * A line glyph is four arms from the cell's centre, each absent (0), single (1) or double (2): "up right down left".
 */
const ARMS: Readonly<Record<number, string>> = {
  0xb3: '1010',
  0xb4: '1011',
  0xb5: '1012',
  0xb6: '2021',
  0xb7: '0021',
  0xb8: '0012',
  0xb9: '2022',
  0xba: '2020',
  0xbb: '0022',
  0xbc: '2002',
  0xbd: '2001',
  0xbe: '1002',
  0xbf: '0011',
  0xc0: '1100',
  0xc1: '1101',
  0xc2: '0111',
  0xc3: '1110',
  0xc4: '0101',
  0xc5: '1111',
  0xc6: '1210',
  0xc7: '2120',
  0xc8: '2200',
  0xc9: '0220',
  0xca: '2202',
  0xcb: '0222',
  0xcc: '2220',
  0xcd: '0202',
  0xce: '2222',
  0xcf: '1202',
  0xd0: '2101',
  0xd1: '0212',
  0xd2: '0121',
  0xd3: '2100',
  0xd4: '1200',
  0xd5: '0210',
  0xd6: '0120',
  0xd7: '2121',
  0xd8: '1212',
  0xd9: '1001',
  0xda: '0110',
};

/** x, y, width and height as shares of the cell. */
const BLOCKS: Readonly<Record<number, readonly [number, number, number, number]>> = {
  0xdb: [0, 0, 1, 1],
  0xdc: [0, 0.5, 1, 0.5],
  0xdd: [0, 0, 0.5, 1],
  0xde: [0.5, 0, 0.5, 1],
  0xdf: [0, 0, 1, 0.5],
};
const SHADES: Readonly<Record<number, number>> = { 0xb0: 0.25, 0xb1: 0.5, 0xb2: 0.75 };

/** False when the character is not one of these shapes. Uses the context's fillStyle. */
export function drawBoxGlyph(
  context: CanvasRenderingContext2D,
  character: number,
  x: number,
  y: number,
  width: number,
  height: number,
): boolean {
  const block = BLOCKS[character];
  if (block) {
    const left = Math.round(x + block[0] * width);
    const top = Math.round(y + block[1] * height);
    context.fillRect(left, top, Math.round(x + (block[0] + block[2]) * width) - left, Math.round(y + (block[1] + block[3]) * height) - top);
    return true;
  }
  const shade = SHADES[character];
  if (shade !== undefined) {
    context.globalAlpha = shade;
    context.fillRect(x, y, width, height);
    context.globalAlpha = 1;
    return true;
  }
  const arms = ARMS[character];
  if (!arms) return false;
  drawArms(context, arms, x, y, width, height);
  return true;
}

function drawArms(context: CanvasRenderingContext2D, arms: string, x: number, y: number, width: number, height: number): void {
  const line = Math.max(1, Math.round(width / 9));
  const gap = line; // between the middle of the cell and each line of a double one
  const [up, right, down, left] = [...arms].map(Number) as [number, number, number, number];
  const middleX = x + Math.floor((width - line) / 2);
  const middleY = y + Math.floor((height - line) / 2);
  const reachX = up === 2 || down === 2 ? gap : 0; // horizontal arms run up to the far line of a double vertical
  const reachY = left === 2 || right === 2 ? gap : 0;
  const offsets = (kind: number) => (kind === 0 ? [] : kind === 1 ? [0] : [-gap, gap]);
  for (const offset of offsets(up)) context.fillRect(middleX + offset, y, line, middleY + reachY + line - y);
  for (const offset of offsets(down)) context.fillRect(middleX + offset, middleY - reachY, line, y + height - (middleY - reachY));
  for (const offset of offsets(left)) context.fillRect(x, middleY + offset, middleX + reachX + line - x, line);
  for (const offset of offsets(right)) context.fillRect(middleX - reachX, middleY + offset, x + width - (middleX - reachX), line);
}
