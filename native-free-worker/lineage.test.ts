import { expect, test } from 'vitest';
import { Lineage } from './lineage.ts';

test('memory descends from what it was taken or filled from, until it goes back behind that', () => {
  const lineage = new Lineage();
  lineage.isAt('start', 1);
  lineage.isAt('one', 3);
  lineage.isAt('two', 5);
  expect(['start', 'one', 'two', 'other'].map(id => lineage.unchangedSince(id))).toEqual([1, 3, 5, 0]);
  lineage.wentBack(3);
  lineage.isAt('one', 7);
  expect(['start', 'one', 'two'].map(id => lineage.unchangedSince(id))).toEqual([1, 7, 0]);
  lineage.forget('one');
  expect(lineage.unchangedSince('one')).toBe(0);
  lineage.wentBack(0);
  expect(lineage.unchangedSince('start')).toBe(0);
});
