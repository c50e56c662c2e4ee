import { expect, test } from 'vitest';
import { decodeGroups, encodeGroups, type Group } from './groups.ts';
import { CODEC_ZSTD, GROUP_PAGES, MAX_GPPNS } from './layout.ts';

/** Full groups of a few bytes each. */
const groups = (count: number): Group[] =>
  Array.from({ length: count }, (_, i) => ({ offset: 64 + i * 20, storedLength: 20, checksum: i, pages: GROUP_PAGES, codec: CODEC_ZSTD }));

test('a table is what was written', () => {
  expect(decodeGroups(encodeGroups(groups(3)))).toEqual(groups(3));
});

test('as many pages as a machine may have are taken, and not one more: a small file would unpack to terabytes', () => {
  const most = MAX_GPPNS / GROUP_PAGES;
  expect(decodeGroups(encodeGroups(groups(most)))).toHaveLength(most);
  expect(decodeGroups(encodeGroups([...groups(most), { ...groups(1)[0]!, pages: 1 }]))).toBeUndefined();
});
