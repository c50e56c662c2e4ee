/** The screen of a VM in small: every character is one block of its colour, dense ones stronger. */
import { Power, TriangleAlert } from 'lucide-react';
import { useEffect, useRef } from 'react';
import type { VmSummary } from '../../main/ipc/contract.ts';
import { useApp } from '../app-context.ts';
import { VGA_COLOURS } from '../console/cp437.ts';
import type { TextScreen } from '../console/text-screen.ts';

const DOTS_X = 2;
const DOTS_Y = 4;

export function Thumbnail({ vm }: { vm: VmSummary }) {
  const { consoles } = useApp();
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const vmConsole = consoles.console(vm.name);
    const draw = () => {
      if (canvas.current) drawThumbnail(canvas.current, vmConsole.screen);
    };
    draw();
    return vmConsole.onScreen(draw);
  }, [consoles, vm.name]);
  return (
    <span className={`thumbnail ${vm.state}`} aria-hidden>
      <canvas ref={canvas} width={80 * DOTS_X} height={25 * DOTS_Y} />
      {vm.state === 'off' ? (
        <Power size={20} />
      ) : vm.state === 'crashed' || vm.state === 'no-answer' || (vm.state === 'paused' && vm.reason !== undefined) ? (
        <TriangleAlert size={20} />
      ) : null}
    </span>
  );
}

function drawThumbnail(canvas: HTMLCanvasElement, screen: TextScreen): void {
  const context = canvas.getContext('2d', { alpha: false });
  if (!context) return;
  if (canvas.width !== screen.columns * DOTS_X || canvas.height !== screen.rows * DOTS_Y) {
    canvas.width = screen.columns * DOTS_X;
    canvas.height = screen.rows * DOTS_Y;
  }
  context.fillStyle = '#000';
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (let cell = 0; cell < screen.columns * screen.rows; cell++) {
    const character = screen.cells[cell * 2] as number;
    const attribute = screen.cells[cell * 2 + 1] as number;
    const x = (cell % screen.columns) * DOTS_X;
    const y = Math.floor(cell / screen.columns) * DOTS_Y;
    if (attribute & 0x70) {
      context.fillStyle = VGA_COLOURS[(attribute >> 4) & 7] as string;
      context.fillRect(x, y, DOTS_X, DOTS_Y);
    }
    if (character === 0x20 || character === 0 || character === 0xff) continue;
    const low = character === 0x2e || character === 0x2c || character === 0x5f;
    context.fillStyle = VGA_COLOURS[attribute & 15] as string;
    context.globalAlpha = character >= 0xb0 && character <= 0xdf ? 1 : 0.75;
    context.fillRect(x, y + (low ? DOTS_Y - 2 : 1), DOTS_X, low ? 1 : DOTS_Y - 2);
    context.globalAlpha = 1;
  }
}
