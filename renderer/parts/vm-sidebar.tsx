/** The library: every VM with its state and a live miniature of its screen. */
import { Plus } from 'lucide-react';
import { Button, ListBox, ListBoxItem } from 'react-aria-components';
import { useShallow } from 'zustand/react/shallow';
import type { VmSummary } from '../../main/ipc/contract.ts';
import { useApp, useAppState } from '../app-context.ts';
import { formatMemory } from '../format.ts';
import { sortedVms } from '../state/reduce.ts';
import { CairnMark } from './cairn-mark.tsx';
import { STATE_WORDS, StateDot } from './state-dot.tsx';
import { Tip } from './tip.tsx';
import { Thumbnail } from './thumbnail.tsx';

export function VmSidebar() {
  const { controller } = useApp();
  const views = useAppState(useShallow(sortedVms));
  const selected = useAppState(state => state.selected);
  return (
    <nav className="sidebar" aria-label="Virtual machines">
      <header className="pane-head">
        <CairnMark size={20} />
        <h2>Cairn</h2>
        <Tip text="New virtual machine">
          <Button
            className="button icon"
            aria-label="New virtual machine"
            onPress={() => controller.dispatch({ type: 'dialog', dialog: { kind: 'new-vm' } })}
          >
            <Plus size={16} aria-hidden />
          </Button>
        </Tip>
      </header>
      <ListBox
        className="vm-list"
        aria-label="Virtual machines"
        selectionMode="single"
        selectionBehavior="replace"
        disallowEmptySelection
        selectedKeys={selected === undefined ? [] : [selected]}
        onSelectionChange={keys => {
          const [name] = keys === 'all' ? [] : [...keys];
          if (name !== undefined) controller.select(String(name));
        }}
        items={views.map(view => ({ id: view.summary.name, view }))}
        renderEmptyState={() => <p className="hint">No machines yet</p>}
      >
        {({ id, view: { summary } }) => (
          <ListBoxItem
            id={id}
            textValue={summary.name}
            className="list-item vm-item"
            aria-label={`${summary.name}, ${stateWords(summary)}`}
          >
            <Thumbnail vm={summary} />
            <span className="vm-line">
              <StateDot state={summary.state} />
              <span className="vm-name">{summary.name}</span>
            </span>
            <span className="vm-facts">
              {needsUser(summary) ? (
                stateWords(summary)
              ) : (
                <>
                  {stateWords(summary)} · {summary.ownedElsewhere ? 'in another Cairn' : formatMemory(summary.memoryMiB)}
                </>
              )}
            </span>
          </ListBoxItem>
        )}
      </ListBox>
    </nav>
  );
}

/** Paused by the host, until the user has done something about its storage. */
const needsUser = ({ state, reason }: VmSummary): boolean => state === 'paused' && reason !== undefined;
const stateWords = (vm: VmSummary): string => (needsUser(vm) ? 'paused, needs you' : STATE_WORDS[vm.state]);
