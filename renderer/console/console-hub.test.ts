import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { HostClient } from '../../main/ipc/contract.ts';
import { encodeFrame, FRAME_CREDIT, FRAME_SCANCODES, FRAME_SERIAL_OUT, FRAME_TEXT_SCREEN } from '../../main/ipc/frames.ts';
import { ConsoleHub } from './console-hub.ts';

let drawings: (() => void)[];
beforeEach(() => {
  drawings = [];
  vi.stubGlobal('requestAnimationFrame', (draw: () => void) => drawings.push(draw));
});
afterEach(() => void vi.unstubAllGlobals());
const draw = () => drawings.splice(0).forEach(drawing => drawing());

const line = (text: string) => {
  const cells = Array.from({ length: 80 }, (_, column) => [text.charCodeAt(column) || 0x20, 7]).flat();
  return Uint8Array.from([80, 25, 0xff, 0xff, 0, ...cells]);
};

/** Numbers the consoles that are attached, and answers when told to. */
function hostAndHub() {
  const sent: number[][] = [];
  const requests: string[] = [];
  let listener: (frame: Uint8Array) => void = () => {};
  let answer: () => void = () => {};
  let next = 5;
  const host = {
    request: (name: string) => {
      requests.push(name);
      return new Promise(resolve => {
        answer = () => resolve({ handle: next++ });
      });
    },
    on: () => () => {},
    onFrame: (heard: typeof listener) => {
      listener = heard;
      return () => {};
    },
    sendFrame: (frame: Uint8Array) => sent.push([...frame]),
    close: () => {},
  } as unknown as HostClient;
  const hub = new ConsoleHub(host);
  const attach = async () => {
    answer();
    await new Promise(resolve => setTimeout(resolve));
  };
  return {
    hub,
    sent,
    requests,
    attach,
    emit: (kind: number, handle: number, bytes: Uint8Array) => listener(encodeFrame(kind, 0, handle, bytes)),
  };
}

test('frames that overtake the answer with their handle are kept', async () => {
  const { hub, attach, emit } = hostAndHub();
  hub.update(['a']);
  emit(FRAME_TEXT_SCREEN, 5, line('early'));
  emit(FRAME_TEXT_SCREEN, 6, line('of another'));
  await attach();
  expect(hub.console('a').screen.line(0)).toBe('early');
});

test('one credit for each drawing, after it', async () => {
  const { hub, sent, attach, emit } = hostAndHub();
  hub.update(['a']);
  await attach();
  draw();
  emit(FRAME_TEXT_SCREEN, 5, line('one'));
  expect(sent).toEqual([]);
  draw();
  expect(sent).toEqual([[FRAME_CREDIT, 0, 5, 0]]);
  draw();
  expect(sent).toHaveLength(1);
});

test('serial output is replayed to a view that opens later, and void after a reconnect', async () => {
  const { hub, sent, requests, attach, emit } = hostAndHub();
  hub.update(['a']);
  await attach();
  emit(FRAME_SERIAL_OUT, 5, new TextEncoder().encode('hello'));
  let seen = '';
  hub.console('a').onSerial({
    write: bytes => {
      seen += new TextDecoder().decode(bytes);
    },
    reset: () => {
      seen = '';
    },
  });
  expect(seen).toBe('hello');
  hub.connectionLost();
  hub.console('a').sendKeys(Uint8Array.of(0x1e));
  expect(sent).toEqual([]);
  hub.update(['a']);
  await attach();
  expect(seen).toBe('');
  emit(FRAME_SERIAL_OUT, 6, new TextEncoder().encode('hello again'));
  expect(seen).toBe('hello again');
  hub.console('a').sendKeys(Uint8Array.of(0x1e));
  expect(sent).toEqual([[FRAME_SCANCODES, 0, 6, 0, 0x1e]]);
  expect(requests).toEqual(['console.attach', 'console.attach']);
});

test('a VM that is gone is let go', async () => {
  const { hub, requests, attach } = hostAndHub();
  hub.update(['a']);
  await attach();
  hub.update([]);
  expect(requests).toEqual(['console.attach', 'console.detach']);
});
