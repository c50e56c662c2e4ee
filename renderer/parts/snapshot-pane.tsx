/** The checkpoints of the machine as a tree, and the chosen one in detail. */
import { useMemo } from 'react';
import { Button, Tree, TreeItem, TreeItemContent } from 'react-aria-components';
import { useApp } from '../app-context.ts';
import { formatAge, formatClock, formatMs } from '../format.ts';
import type { VmView } from '../state/app-state.ts';
import { buildSnapshotTree, rowIds, type TreeNode } from '../state/snapshot-tree.ts';
import { CheckpointDetails, HereDetails } from './checkpoint-details.tsx';
import { TreeRails } from './tree-rails.tsx';
import { useNow } from './use-now.ts';

export function SnapshotPane({ view }: { view: VmView }) {
  const { controller } = useApp();
  const { summary: vm, checkpoints, selectedNode } = view;
  const { current } = vm;
  const nodes = useMemo(() => buildSnapshotTree(checkpoints ?? [], current), [checkpoints, current]);
  const selected = checkpoints?.find(({ id }) => id === selectedNode);
  const now = useNow();
  return (
    <aside className="snapshots" aria-label="Checkpoints">
      <header className="pane-head">
        <h2>Checkpoints</h2>
        <span className="count">{checkpoints?.length ?? ''}</span>
      </header>
      <Tree
        className="tree"
        aria-label={`Checkpoints of ${vm.name}`}
        selectionMode="single"
        selectionBehavior="replace"
        disallowEmptySelection
        selectedKeys={[selectedNode]}
        expandedKeys={rowIds(nodes)}
        onSelectionChange={keys => {
          const [node] = keys === 'all' ? [] : [...keys];
          if (node !== undefined) controller.dispatch({ type: 'select-node', name: vm.name, node: String(node) });
        }}
        onAction={node => {
          const checkpoint = checkpoints?.find(({ id }) => id === node);
          if (checkpoint) controller.dispatch({ type: 'dialog', dialog: { kind: 'revert', vm: vm.name, checkpoint: checkpoint.id } });
        }}
      >
        {nodes.map(node => renderNode(node, view, now))}
      </Tree>
      {selected ? <CheckpointDetails view={view} checkpoint={selected} now={now} /> : <HereDetails view={view} />}
    </aside>
  );
}

function renderNode(node: TreeNode, view: VmView, now: number) {
  const { checkpoint } = node;
  const words = checkpoint ? `${checkpoint.title}, ${formatAge(checkpoint.takenAt, now)}` : 'You are here';
  return (
    <TreeItem key={node.id} id={node.id} textValue={words} aria-label={words} className="tree-item">
      <TreeItemContent>
        <span className="tree-row" style={{ paddingInlineStart: 34 + node.lane * 18 }}>
          <TreeRails node={node} />
          {checkpoint ? (
            <span className="tree-text" title={formatClock(checkpoint.takenAt)}>
              <span className="tree-title">{checkpoint.title}</span>
              <span className="tree-facts">
                {formatAge(checkpoint.takenAt, now)}
                {checkpoint.running ? (
                  <span className="pause">paused {formatMs(checkpoint.pauseMs)}</span>
                ) : (
                  <span className="pause">taken while off</span>
                )}
              </span>
            </span>
          ) : (
            <span className="tree-text">
              <span className="tree-title">You are here</span>
              <span className="tree-facts">{HERE_WORDS[view.summary.state]}</span>
            </span>
          )}
        </span>
        {/* A touch screen's screen reader opens a branch with this button. */}
        {node.children.length > 0 ? (
          <Button slot="chevron" className="visually-hidden">
            Branch
          </Button>
        ) : null}
      </TreeItemContent>
      {node.children.map(child => renderNode(child, view, now))}
    </TreeItem>
  );
}

const HERE_WORDS = {
  off: 'the machine is off',
  starting: 'the machine is starting',
  running: 'the machine is running',
  paused: 'the machine is paused',
  reverting: 'going back…',
  crashed: 'the machine has crashed',
} as const;
