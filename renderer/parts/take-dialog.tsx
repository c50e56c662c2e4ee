/** A checkpoint gets its title, and for a VM with disks the way in which its disk files are kept. What it would replace is named. */
import { useEffect, useState } from 'react';
import type { CheckpointMode } from '../../main/ipc/contract.ts';
import { useApp } from '../app-context.ts';
import type { VmView } from '../state/app-state.ts';
import { ChoiceField, type Choices } from './choice-field.tsx';
import { NameDialog } from './name-dialog.tsx';

const MODES: Choices<CheckpointMode> = {
  chain: 'Chain of changes: nothing is copied',
  copy: 'Short chain: changes are copied aside',
  'full-copy': 'Full copy of each disk',
};

export function TakeDialog({ view }: { view: VmView }) {
  const { controller } = useApp();
  const { name, state } = view.summary;
  const [chosen, setChosen] = useState<CheckpointMode>();
  useEffect(() => void controller.loadDetail(name), [controller, name]);
  const config = view.detail?.config;
  const hasDisks = config?.disks.some(({ media, readonly }) => media === 'disk' && !readonly) ?? false;
  const replaced = config?.overwrite ? replacedBy(view) : undefined;
  return (
    <NameDialog
      heading="Take checkpoint"
      text={state === 'off' ? undefined : `${name} goes on running while its state is written.`}
      label="Title"
      initial={`Checkpoint ${(view.checkpoints?.length ?? 0) + 1}`}
      verb="Take checkpoint"
      run={async title => void controller.take(name, title, chosen === config?.checkpointMode ? undefined : chosen)}
    >
      {config && hasDisks ? (
        <ChoiceField label="Its disks" value={chosen ?? config.checkpointMode} choices={MODES} onChange={setChosen} />
      ) : null}
      {config && chosen !== undefined && chosen !== config.checkpointMode ? (
        <p aria-live="polite">From this checkpoint on, {name} keeps all its checkpoints this way.</p>
      ) : null}
      {replaced === undefined ? null : (
        <p className="warning">“{replaced}” is deleted afterwards: only the newest checkpoint of this machine stays.</p>
      )}
    </NameDialog>
  );
}

/** The title of the checkpoint that goes when there is a new one (fig. 4C). */
function replacedBy({ summary, checkpoints = [] }: VmView): string | undefined {
  const current = checkpoints.find(({ id }) => id === summary.current);
  const isNeeded = current === undefined || current.pinned || checkpoints.some(({ parent }) => parent === current.id);
  return isNeeded ? undefined : current.title;
}
