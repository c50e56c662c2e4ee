/** The VGA screen with the keyboard: a click or Enter gives the keyboard to the guest, Ctrl+Alt gives it back. */
import { Keyboard, Play } from 'lucide-react';
import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react';
import { Button } from 'react-aria-components';
import type { VmSummary } from '../../main/ipc/contract.ts';
import { useApp } from '../app-context.ts';
import type { VmConsole } from '../console/console-hub.ts';
import { KeyboardCapture } from '../console/keyboard-capture.ts';
import { CTRL_ALT_DELETE } from '../console/scan-codes.ts';
import { fitCells, ScreenPainter } from '../console/screen-painter.ts';

const BLINK_MS = 266; // 16 frames of 60 Hz, as a VGA does
const TEXT_DELAY_MS = 120;
const RELEASE_CHORD = navigator.platform.startsWith('Mac') ? 'Control+Option' : 'Ctrl+Alt';

export function ScreenView({ vm }: { vm: VmSummary }) {
  const { consoles, bridge } = useApp();
  const vmConsole = consoles.console(vm.name);
  const [wanted, setCaptured] = useState(false);
  const live = vm.state === 'running' || vm.state === 'reverting';
  const captured = wanted && live;
  const capture = useKeyboardCapture(vmConsole, () => setCaptured(false));
  const surface = useRef<HTMLDivElement>(null);

  useEffect(() => bridge?.setKeyboardCaptured(captured), [bridge, captured]);

  const take = () => {
    if (!live) return;
    surface.current?.focus();
    setCaptured(true);
  };
  const onKey = (event: KeyboardEvent) => {
    if (captured) {
      event.preventDefault();
      event.stopPropagation();
      if (event.type === 'keydown') capture.keyDown(event.code);
      else capture.keyUp(event.code);
    } else if (event.type === 'keydown' && event.key === 'Enter') {
      event.preventDefault();
      take();
    }
  };

  return (
    <div className="screen-view">
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the guest's screen takes keys as a text field does */}
      <div
        ref={surface}
        className={`screen-surface ${captured ? 'captured' : ''} ${vm.state}`}
        role="application"
        aria-label={`Screen of ${vm.name}. ${captured ? `The keyboard is the machine's; ${RELEASE_CHORD} gives it back.` : 'Press Enter to type into the machine.'}`}
        aria-describedby="screen-text"
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- reachable by Tab for the same reason
        tabIndex={0}
        onMouseDown={take}
        onKeyDown={onKey}
        onKeyUp={onKey}
        onBlur={() => {
          capture.releaseAll();
          setCaptured(false);
        }}
      >
        <ScreenCanvas vmConsole={vmConsole} cursorShown={live} />
        <ScreenCover vm={vm} />
      </div>
      <div className="console-foot">
        <span className="capture-hint">
          <Keyboard size={14} aria-hidden />
          {captured ? (
            <>
              The keyboard is the machine’s. <kbd>{RELEASE_CHORD}</kbd> gives it back.
            </>
          ) : (
            <>{live ? 'Click the screen to type into the machine.' : 'The keyboard works while the machine runs.'}</>
          )}
        </span>
        <Button className="button small" isDisabled={!live} onPress={() => vmConsole.sendKeys(Uint8Array.from(CTRL_ALT_DELETE))}>
          Ctrl+Alt+Del
        </Button>
      </div>
      <ScreenText vmConsole={vmConsole} />
    </div>
  );
}

function useKeyboardCapture(vmConsole: VmConsole, onRelease: () => void): KeyboardCapture {
  const [capture] = useState(() => new KeyboardCapture(codes => vmConsole.sendKeys(codes), onRelease));
  useEffect(() => () => capture.releaseAll(), [capture]);
  return capture;
}

function ScreenCanvas({ vmConsole, cursorShown }: { vmConsole: VmConsole; cursorShown: boolean }) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);

  useLayoutEffect(() => {
    const box = frame.current;
    const element = canvas.current;
    if (!box || !element) return;
    const painter = new ScreenPainter(element);
    const { screen } = vmConsole;
    let blinkOn = true;
    let sizedFor = '';
    const redraw = () => {
      for (let row = 0; row < screen.rows; row++) painter.drawRow(screen, row, blinkOn && cursorShown);
    };
    const fit = () => {
      const density = window.devicePixelRatio;
      const size = fitCells(screen.columns, screen.rows, box.clientWidth * density, box.clientHeight * density);
      const key = `${screen.columns} ${screen.rows} ${size.width} ${size.height}`;
      if (key !== sizedFor) {
        sizedFor = key;
        painter.resize(screen, size);
        element.style.width = `${element.width / density}px`;
        element.style.height = `${element.height / density}px`;
      }
      redraw();
    };
    const observer = new ResizeObserver(fit);
    observer.observe(box);
    fit();
    const stop = vmConsole.onScreen(rows => {
      if (!sizedFor.startsWith(`${screen.columns} ${screen.rows} `)) return fit();
      for (const row of rows) painter.drawRow(screen, row, blinkOn && cursorShown);
    });
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches || !cursorShown;
    const blink = still
      ? undefined
      : setInterval(() => {
          blinkOn = !blinkOn;
          if (screen.cursor !== undefined) painter.drawRow(screen, Math.floor(screen.cursor / screen.columns), blinkOn);
        }, BLINK_MS);
    return () => {
      observer.disconnect();
      stop();
      clearInterval(blink);
    };
  }, [vmConsole, cursorShown]);

  return (
    <div className="screen-frame" ref={frame}>
      <canvas ref={canvas} aria-hidden />
    </div>
  );
}

/** Over a screen that shows nothing of its own. */
function ScreenCover({ vm }: { vm: VmSummary }) {
  const { controller } = useApp();
  if (vm.state === 'off') {
    return (
      <div className="screen-cover">
        <p>{vm.name} is off</p>
        <Button className="button primary" onPress={() => void controller.start(vm.name)}>
          <Play size={15} aria-hidden /> Start
        </Button>
      </div>
    );
  }
  if (vm.state === 'crashed') {
    return (
      <div className="screen-cover crashed" role="alert">
        <p>{vm.killed ? `${vm.name} was cut off` : `${vm.name} has crashed`}</p>
        <p className="hint">{vm.reason ?? 'The reason is not known.'} Its checkpoints are safe: revert to one, or start it again.</p>
      </div>
    );
  }
  if (vm.state === 'no-answer') {
    return (
      <div className="screen-cover crashed" role="alert">
        <p>{vm.name} does not answer</p>
        <p className="hint">{vm.reason}</p>
      </div>
    );
  }
  if (vm.state === 'paused') return <div className="screen-badge">Paused</div>;
  if (vm.state === 'reverting') return <div className="screen-badge">Going back…</div>;
  return null;
}

/** The screen's text for those who do not see the canvas. */
function ScreenText({ vmConsole }: { vmConsole: VmConsole }) {
  const [text, setText] = useState(() => vmConsole.screen.text());
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = vmConsole.onScreen(() => {
      timer ??= setTimeout(() => {
        timer = undefined;
        setText(vmConsole.screen.text());
      }, TEXT_DELAY_MS);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [vmConsole]);
  return (
    <pre id="screen-text" className="visually-hidden">
      {text}
    </pre>
  );
}
