import { expect, test } from 'vitest';
import type { Checkpoint } from '../../main/ipc/contract.ts';
import { HERE } from './app-state.ts';
import { buildSnapshotTree, rowIds, type TreeNode } from './snapshot-tree.ts';

let clock = 0;
const checkpoint = (id: string, parent: string | null): Checkpoint => ({
  id,
  title: id,
  parent,
  takenAt: new Date(++clock * 1000).toISOString(),
  pauseMs: 0.4,
  totalMs: 300,
  bytesWritten: 1,
  pages: { stored: 1, zero: 0, pointed: 0, absent: 0 },
  running: true,
  disks: [],
  trigger: 'user',
  poweredOnMs: 0,
  pinned: false,
  note: '',
});
const rows = (nodes: readonly TreeNode[]): string[] =>
  nodes.flatMap(node => [`${node.lane}${node.from[0]} ${node.id}`, ...rows(node.children)]);

test('without checkpoints there is only "You are here"', () => {
  expect(rows(buildSnapshotTree([], undefined))).toEqual(['0r here']);
});

test('a chain is one straight lane', () => {
  expect(rows(buildSnapshotTree([checkpoint('a', null), checkpoint('b', 'a')], 'b'))).toEqual(['0r a', '0a b', '0a here']);
});

test('a branch leaves to the right, and the way to here stays straight although it is the older one', () => {
  const list = [checkpoint('a', null), checkpoint('b', 'a'), checkpoint('c', 'a'), checkpoint('d', 'c')];
  expect(rows(buildSnapshotTree(list, 'b'))).toEqual(['0r a', '1l c', '1a d', '0a b', '0a here']);
});

test('after a revert to an older checkpoint what was there before is a branch', () => {
  const list = [checkpoint('a', null), checkpoint('b', 'a'), checkpoint('c', 'b')];
  expect(rows(buildSnapshotTree(list, 'a'))).toEqual(['0r a', '1l b', '1a c', '0a here']);
});

test('branches of branches nest', () => {
  const list = [checkpoint('a', null), checkpoint('b', 'a'), checkpoint('c', 'b'), checkpoint('d', 'b')];
  expect(rows(buildSnapshotTree(list, 'a'))).toEqual(['0r a', '1l b', '2l c', '1a d', '0a here']);
});

test('a checkpoint whose parent is not listed is a root, and a ring of parents hides nothing else', () => {
  const list = [checkpoint('b', 'gone'), checkpoint('a', null)];
  expect(rowIds(buildSnapshotTree(list, undefined)).sort()).toEqual(['a', 'b', HERE].sort());
});
