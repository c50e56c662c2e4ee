/** The first serial port in a terminal. */
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { useEffect, useRef } from 'react';
import type { VmSummary } from '../../main/ipc/contract.ts';
import { useApp } from '../app-context.ts';

/** The console is dark in both colour schemes, as the screen is. */
const THEME = {
  background: '#0b0f0e',
  foreground: '#d5dcd8',
  cursor: '#f5a450',
  cursorAccent: '#0b0f0e',
  selectionBackground: '#3d5650',
  black: '#1d2523',
  red: '#e8706a',
  green: '#7fc28b',
  yellow: '#e6b566',
  blue: '#7aa7e0',
  magenta: '#c78fd6',
  cyan: '#6cc3c0',
  white: '#c9d1cd',
  brightBlack: '#66736f',
  brightRed: '#ff938c',
  brightGreen: '#a3e0ad',
  brightYellow: '#ffd08a',
  brightBlue: '#a3c6f5',
  brightMagenta: '#e0b3ec',
  brightCyan: '#95e0dd',
  brightWhite: '#f4f7f5',
};

export function SerialView({ vm }: { vm: VmSummary }) {
  const { consoles } = useApp();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!box.current) return;
    const vmConsole = consoles.console(vm.name);
    const terminal = new Terminal({
      fontFamily: 'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace',
      fontSize: 13,
      lineHeight: 1.2,
      scrollback: 5000,
      cursorBlink: true,
      theme: THEME,
      screenReaderMode: true,
      convertEol: false,
    });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(box.current);
    terminal.textarea?.setAttribute('aria-label', `Serial console of ${vm.name}`);
    const observer = new ResizeObserver(() => fit.fit());
    observer.observe(box.current);
    const stop = vmConsole.onSerial({ write: bytes => terminal.write(bytes), reset: () => terminal.reset() });
    const text = new TextEncoder();
    terminal.onData(data => vmConsole.sendSerial(text.encode(data)));
    terminal.onBinary(data => vmConsole.sendSerial(Uint8Array.from(data, character => character.charCodeAt(0))));
    return () => {
      stop();
      observer.disconnect();
      terminal.dispose();
    };
  }, [consoles, vm.name]);
  return (
    <div className="serial-view">
      <div className="serial-terminal" ref={box} />
      <div className="console-foot">
        <span className="capture-hint">First serial port (ttyS0, COM1)</span>
      </div>
    </div>
  );
}
