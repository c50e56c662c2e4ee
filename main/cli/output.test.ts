import { afterEach, expect, test, vi } from 'vitest';
import { ConfigError } from '#engine/errors/errors.ts';
import { formatBytes, printError, printLine, printTable } from './output.ts';

afterEach(() => vi.restoreAllMocks());

/** What `print` writes to standard output and error. */
function written(print: () => void): string {
  let text = '';
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, 'write').mockImplementation(chunk => {
      text += String(chunk);
      return true;
    });
  print();
  vi.restoreAllMocks();
  return text;
}

test('columns are as wide as they need to be', () => {
  expect(
    written(() =>
      printTable(
        ['ID', 'TITLE'],
        [
          ['a', 'one'],
          ['bcd', 'größer'],
        ],
      ),
    ),
  ).toBe('ID   TITLE\na    one\nbcd  größer\n');
});

test('what a file says of itself is shown by the terminal, not obeyed', () => {
  const title = 'a\u001b[2Jb\r\u009bc\nd';
  expect(written(() => printTable(['TITLE'], [[title]]))).toBe('TITLE\na\ufffd[2Jb\ufffd\ufffdc\ufffdd\n');
  expect(written(() => printLine(title))).toBe('a\ufffd[2Jb\ufffd\ufffdc\nd\n');
  expect(written(() => printError(new ConfigError('X', title), false))).toBe('cairn: a\ufffd[2Jb\ufffd\ufffdc\nd\n');
});

test('sizes are told in the largest unit that they reach', () => {
  expect([0, 1023, 1024, 1_048_575, 10 * 2 ** 30, 8 * 2 ** 40, 2 ** 53].map(formatBytes)).toEqual([
    ...['0 B', '1023 B', '1.0 KiB', '1.0 MiB', '10.0 GiB', '8.0 TiB', '8.0 PiB'],
  ]);
});
