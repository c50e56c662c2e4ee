import { expect, test } from 'vitest';
import { TextScreen } from './text-screen.ts';

const row = (index: number, columns: number, text: string, attribute = 7) => [
  index,
  ...Array.from({ length: columns }, (_, column) => [text.charCodeAt(column) || 0x20, attribute]).flat(),
];
const frame = (columns: number, rows: number, cursor: number, ...changed: number[][]) =>
  Uint8Array.from([columns, rows, cursor & 0xff, cursor >> 8, ...changed.flat()]);

test('changed rows and the rows that the cursor left and entered are reported', () => {
  const screen = new TextScreen();
  expect([...screen.apply(frame(80, 25, 5, row(3, 80, 'login:')))!]).toEqual([3, 0]);
  expect(screen.line(3)).toBe('login:');
  expect(screen.cursor).toBe(5);
  expect([...screen.apply(frame(80, 25, 160))!]).toEqual([0, 2]);
  expect([...screen.apply(frame(80, 25, 0xffff))!]).toEqual([2]);
  expect(screen.cursor).toBeUndefined();
});

test('a new size empties the screen and changes all rows', () => {
  const screen = new TextScreen();
  screen.apply(frame(80, 25, 0xffff, row(0, 80, 'old')));
  expect(screen.apply(frame(40, 3, 0xffff, row(2, 40, 'new')))!.size).toBe(3);
  expect(screen.text()).toBe('\n\nnew');
});

test('a damaged frame changes nothing', () => {
  const screen = new TextScreen();
  screen.apply(frame(80, 25, 7, row(0, 80, 'kept')));
  const good = frame(80, 25, 9, row(0, 80, 'lost'));
  for (const bad of [
    new Uint8Array(3),
    frame(0, 25, 0),
    frame(80, 0, 0),
    good.subarray(0, good.length - 1),
    frame(80, 25, 9, row(25, 80, 'out')),
  ]) {
    expect(screen.apply(bad)).toBeUndefined();
  }
  expect(screen.text()).toBe('kept');
  expect(screen.cursor).toBe(7);
});

test('a cursor beyond the screen is not shown; code page 437 is read as Unicode', () => {
  const screen = new TextScreen();
  screen.apply(frame(80, 25, 2000, row(0, 80, 'É\xcd\xbb')));
  expect(screen.cursor).toBeUndefined();
  expect(screen.line(0)).toBe('╔═╗');
});
