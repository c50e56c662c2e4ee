/**
 * The checkpoints of a VM as a tree with its drawing. Each row stands in a lane; a node's last child continues its lane and every
 * earlier one opens the lane to the right, so that the way to "You are here" is one straight line on the left:
 *
 *     ●  Fresh install            lane 0
 *     ├─●  Try a new kernel       lane 1
 *     ●  Before the upgrade       lane 0
 *     ◉  You are here             lane 0
 *
 * In a row of lane n all lanes left of n have a line passing, because a branch is always left before its parent's lane ends.
 */
import type { Checkpoint } from '../../main/ipc/contract.ts';
import { HERE } from './app-state.ts';

export interface TreeNode {
  /** A checkpoint id or HERE. */
  readonly id: string;
  /** Undefined for HERE. */
  readonly checkpoint?: Checkpoint;
  readonly lane: number;
  /** How the row's line arrives: from nowhere, from straight above, or from the lane to the left. */
  readonly from: 'root' | 'above' | 'left';
  readonly children: readonly TreeNode[];
}

export function buildSnapshotTree(checkpoints: readonly Checkpoint[], current: string | undefined): TreeNode[] {
  const known = new Map(checkpoints.map(checkpoint => [checkpoint.id, checkpoint]));
  const childrenOf = new Map<string | null, (Checkpoint | typeof HERE)[]>();
  const place = (parent: string | null, child: Checkpoint | typeof HERE) => {
    const siblings = childrenOf.get(parent);
    if (siblings) siblings.push(child);
    else childrenOf.set(parent, [child]);
  };
  for (const checkpoint of [...checkpoints].sort((a, b) => a.takenAt.localeCompare(b.takenAt))) {
    // A parent that is not listed any more must not hide its descendants.
    place(checkpoint.parent !== null && known.has(checkpoint.parent) ? checkpoint.parent : null, checkpoint);
  }
  const here = current !== undefined && known.has(current) ? current : null;
  place(here, HERE);
  const main = ancestorsOf(here, known);

  const build = (parent: string | null, lane: number): TreeNode[] => {
    const children = childrenOf.get(parent) ?? [];
    // The branch that leads here comes last: it is the one that goes on straight.
    const straight = children.findLast(child => child === HERE || main.has(child.id)) ?? children.at(-1);
    const ordered = children.filter(child => child !== straight);
    if (straight !== undefined) ordered.push(straight);
    return ordered.map((child, index): TreeNode => {
      const isStraight = index === ordered.length - 1;
      const ownLane = isStraight || parent === null ? lane : lane + 1;
      const from = parent === null ? 'root' : isStraight ? 'above' : 'left';
      if (child === HERE) return { id: HERE, lane: ownLane, from, children: [] };
      return { id: child.id, checkpoint: child, lane: ownLane, from, children: build(child.id, ownLane) };
    });
  };
  return build(null, 0);
}

/** All node ids, in the order of the rows. */
export function rowIds(nodes: readonly TreeNode[]): string[] {
  return nodes.flatMap(node => [node.id, ...rowIds(node.children)]);
}

function ancestorsOf(id: string | null, known: ReadonlyMap<string, Checkpoint>): Set<string> {
  const path = new Set<string>();
  for (let at = id; at !== null && !path.has(at); at = known.get(at)?.parent ?? null) path.add(at);
  return path;
}
