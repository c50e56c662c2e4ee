/** Deleting a checkpoint: what goes, what that frees, and what stays because others need it. */
import { useEffect, useState } from 'react';
import { Checkbox } from 'react-aria-components';
import type { Checkpoint, Elimination } from '../../main/ipc/contract.ts';
import { useApp } from '../app-context.ts';
import { formatBytes } from '../format.ts';
import type { VmView } from '../state/app-state.ts';
import { CheckMark } from './check-mark.tsx';
import { ConfirmDialog } from './confirm-dialog.tsx';

export function CheckpointDeleteDialog({ view, checkpoint }: { view: VmView; checkpoint: Checkpoint }) {
  const { controller } = useApp();
  const { name } = view.summary;
  const { id } = checkpoint;
  const [children, setChildren] = useState(false);
  useEffect(() => void controller.loadCheckpointDetail(name, id), [controller, name, id]);
  const detail = view.checkpointDetail?.checkpoint.id === id ? view.checkpointDetail : undefined;
  const below = (detail?.withChildren.ids.length ?? 1) - 1;
  const hasChildren = view.checkpoints?.some(({ parent }) => parent === id) ?? false;
  const keptBelow =
    detail?.withChildren.ids.filter(each => each !== id && view.checkpoints?.some(other => other.id === each && other.pinned)) ?? [];
  return (
    <ConfirmDialog
      heading={`Delete “${checkpoint.title}”?`}
      verb={children ? `Delete all ${below + 1}` : 'Delete'}
      run={() => controller.deleteCheckpoint(name, checkpoint, children)}
    >
      <p>
        {name} {view.summary.state === 'off' ? 'stays as it is' : 'goes on'}, and cannot come back to this checkpoint any more.
        {hasChildren && !children ? ' What was taken after it stays, and hangs on the checkpoint before it.' : ''}
        {checkpoint.pinned ? ' It is marked to be kept.' : ''}
        {children && keptBelow.length > 0 ? ` ${keptBelow.length} below it are marked to be kept.` : ''}
      </p>
      {hasChildren ? (
        <Checkbox className="check" isSelected={children} onChange={setChildren} isDisabled={!detail}>
          <CheckMark /> Also delete what was taken after it{below > 0 ? ` (${below})` : ''}
        </Checkbox>
      ) : null}
      <p aria-live="polite">
        {detail
          ? roomWords(children ? detail.withChildren : detail.alone, checkpoint.disks.length > 0)
          : 'Looking at what it shares with others…'}
      </p>
    </ConfirmDialog>
  );
}

/** Disk layers that are merged give back more, and nobody knows how much before. */
function roomWords({ freedBytes, keptBytes, clones }: Elimination, hasDisks: boolean): string {
  const freed = `This frees ${hasDisks ? 'at least ' : ''}${formatBytes(freedBytes)}.`;
  const kept = keptBytes === 0 ? '' : ` ${formatBytes(keptBytes)} stay, because other checkpoints need them.`;
  const linked =
    clones.length === 0
      ? ''
      : ` ${clones.join(', ')} ${clones.length === 1 ? 'is a linked clone: what it needs' : 'are linked clones: what they need'} stays.`;
  return freed + kept + linked;
}
