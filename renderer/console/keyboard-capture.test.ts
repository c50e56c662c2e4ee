import { expect, test } from 'vitest';
import { KeyboardCapture } from './keyboard-capture.ts';
import { breakCode, CTRL_ALT_DELETE, makeCode } from './scan-codes.ts';

function capture() {
  const sent: number[] = [];
  let released = 0;
  const keys = new KeyboardCapture(
    codes => sent.push(...codes),
    () => {
      released++;
    },
  );
  return { keys, sent, released: () => released };
}

test('scan codes of set 1, with the odd ones', () => {
  expect(makeCode('KeyA')).toEqual([0x1e]);
  expect(breakCode('KeyA')).toEqual([0x9e]);
  expect(makeCode('ArrowUp')).toEqual([0xe0, 0x48]);
  expect(breakCode('ArrowUp')).toEqual([0xe0, 0xc8]);
  expect(makeCode('Pause')).toEqual([0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5]);
  expect(breakCode('Pause')).toEqual([]);
  expect(makeCode('BrowserBack')).toEqual([]);
  expect(CTRL_ALT_DELETE).toEqual([0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d]);
});

test('a held key repeats its make code and is released once', () => {
  const { keys, sent } = capture();
  for (const _ of [1, 2]) keys.keyDown('KeyQ');
  for (const _ of [1, 2]) keys.keyUp('KeyQ');
  expect(sent).toEqual([0x10, 0x10, 0x90]);
});

test('Ctrl+Alt alone gives the keyboard back, with both keys released', () => {
  const { keys, sent, released } = capture();
  keys.keyDown('ControlLeft');
  keys.keyDown('AltLeft');
  keys.keyUp('AltLeft');
  expect(released()).toBe(1);
  expect(sent).toEqual([0x1d, 0x38, 0xb8, 0x9d]);
});

test('Ctrl+Alt with another key is the guest’s', () => {
  const { keys, sent, released } = capture();
  for (const key of ['ControlLeft', 'AltLeft', 'F2']) keys.keyDown(key);
  for (const key of ['F2', 'AltLeft', 'ControlLeft']) keys.keyUp(key);
  expect(released()).toBe(0);
  expect(sent).toEqual([0x1d, 0x38, 0x3c, 0xbc, 0xb8, 0x9d]);
  keys.keyDown('ControlRight');
  keys.keyDown('AltLeft');
  keys.keyUp('ControlRight');
  expect(released()).toBe(1);
});

test('keys that are down when the capture ends are released', () => {
  const { keys, sent } = capture();
  keys.keyDown('ShiftLeft');
  keys.keyDown('ArrowLeft');
  keys.releaseAll();
  expect(sent.slice(3)).toEqual([0xaa, 0xe0, 0xcb]);
});
