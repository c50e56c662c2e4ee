/** The checkpoints of the machine as a tree, and the chosen one in detail. */
import { useMemo, useState } from 'react';
import { CalendarClock, ChevronRight, Pin } from 'lucide-react';
import { Button, Tree, TreeItem, TreeItemContent } from 'react-aria-components';
import { useApp, useCanCommand } from '../app-context.ts';
import { formatAge, formatClock, formatMs } from '../format.ts';
import type { VmView } from '../state/app-state.ts';
import { policyWords } from '../state/policy-form.ts';
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
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const now = useNow();
  return (
    <aside className="snapshots" aria-label="Checkpoints">
      <header className="pane-head">
        <h2>Checkpoints</h2>
        <span className="count">{checkpoints?.length ?? ''}</span>
      </header>
      <AutomaticLine view={view} />
      <Tree
        className="tree"
        aria-label={`Checkpoints of ${vm.name}`}
        selectionMode="single"
        selectionBehavior="replace"
        disallowEmptySelection
        selectedKeys={[selectedNode]}
        expandedKeys={rowIds(nodes).filter(id => !collapsed.has(id))}
        onExpandedChange={keys => setCollapsed(new Set(rowIds(nodes).filter(id => !keys.has(id))))}
        onSelectionChange={keys => {
          const [node] = keys === 'all' ? [] : [...keys];
          if (node !== undefined) controller.dispatch({ type: 'select-node', name: vm.name, node: String(node) });
        }}
        onAction={node => {
          const checkpoint = checkpoints?.find(({ id }) => id === node);
          if (checkpoint) controller.dispatch({ type: 'dialog', dialog: { kind: 'revert', vm: vm.name, checkpoint: checkpoint.id } });
        }}
      >
        {nodes.map(node => renderNode(node, { view, now, collapsed }))}
      </Tree>
      {selected ? <CheckpointDetails view={view} checkpoint={selected} now={now} /> : <HereDetails view={view} />}
    </aside>
  );
}

/** When checkpoints are taken without being asked for, and the way to change it. */
function AutomaticLine({ view }: { view: VmView }) {
  const { controller } = useApp();
  const can = useCanCommand(view);
  const { policy, summary } = view;
  if (policy === undefined) return null;
  return (
    <Button
      className="automatic"
      isDisabled={!can}
      onPress={() => controller.dispatch({ type: 'dialog', dialog: { kind: 'policy', vm: summary.name } })}
    >
      <CalendarClock size={14} aria-hidden />
      <span className="automatic-words">Automatic: {policyWords(policy)}</span>
      <ChevronRight size={14} aria-hidden />
    </Button>
  );
}

interface RowContext {
  readonly view: VmView;
  readonly now: number;
  readonly collapsed: ReadonlySet<string>;
}

function renderNode(node: TreeNode, context: RowContext) {
  const { view, now } = context;
  const { checkpoint } = node;
  const hidden = context.collapsed.has(node.id) ? rowIds(node.children).length : 0;
  const words = checkpoint
    ? `${checkpoint.title}${checkpoint.pinned ? ', kept' : ''}, ${formatAge(checkpoint.takenAt, now)}`
    : 'You are here';
  return (
    <TreeItem key={node.id} id={node.id} textValue={words} aria-label={words} className="list-item tree-item">
      <TreeItemContent>
        <span className="tree-row" style={{ paddingInlineStart: 34 + node.lane * 18 }}>
          <TreeRails node={node} open={hidden === 0} />
          {checkpoint ? (
            <span className="tree-text" title={formatClock(checkpoint.takenAt)}>
              <span className="tree-title">
                {checkpoint.title}
                {checkpoint.pinned ? <Pin className="pin" size={12} aria-label="kept" /> : null}
              </span>
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
          {/* Closed with the left arrow key; a screen reader has the button, everybody sees how many rows are hidden. */}
          {node.children.length > 0 ? (
            <Button slot="chevron" className={hidden > 0 ? 'more' : 'visually-hidden'}>
              +{hidden}
            </Button>
          ) : null}
        </span>
      </TreeItemContent>
      {node.children.map(child => renderNode(child, context))}
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
  'no-answer': 'the machine does not answer',
} as const;
