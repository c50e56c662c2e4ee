/** Going back loses what the machine is now, unless it is kept first: the dialog offers that. */
import { useState } from 'react';
import { Button, Checkbox } from 'react-aria-components';
import type { Checkpoint } from '../../main/ipc/contract.ts';
import { useApp } from '../app-context.ts';
import { formatAge } from '../format.ts';
import type { VmView } from '../state/app-state.ts';
import { CheckMark } from './check-mark.tsx';
import { ModalDialog, useCloseDialog } from './modal-dialog.tsx';
import { useNow } from './use-now.ts';

export function RevertDialog({ view, checkpoint }: { view: VmView; checkpoint: Checkpoint }) {
  const { controller } = useApp();
  const close = useCloseDialog();
  const { summary: vm, checkpoints } = view;
  const live = vm.state === 'running' || vm.state === 'paused';
  const now = useNow();
  const [keep, setKeep] = useState(false);
  const current = checkpoints?.find(({ id }) => id === vm.current);
  const run = async () => {
    close();
    if (keep) await controller.take(vm.name, `Before going back to ${checkpoint.title}`);
    await controller.revert(vm.name, checkpoint);
  };
  return (
    <ModalDialog heading={`Go back to “${checkpoint.title}”?`} role="alertdialog">
      {live ? (
        <p>
          {vm.name} is {vm.state}. Everything it has done since{' '}
          {current ? `“${current.title}” (${formatAge(current.takenAt, now)})` : 'it was started'} is lost: its memory, what is on its
          screen and the programs in it.
        </p>
      ) : (
        <p>
          {vm.name} is {vm.state === 'crashed' ? 'crashed' : 'off'}. It will be as it was at this checkpoint.
        </p>
      )}
      {live ? (
        <Checkbox className="check" isSelected={keep} onChange={setKeep}>
          <CheckMark /> Take a checkpoint of the present state first
        </Checkbox>
      ) : null}
      <div className="dialog-foot">
        <Button className="button" autoFocus onPress={close}>
          Cancel
        </Button>
        <Button className={`button ${live && !keep ? 'danger' : 'primary'}`} onPress={() => void run()}>
          Revert
        </Button>
      </div>
    </ModalDialog>
  );
}
