/** The dialog that is open, if any. State that would be lost is named before the user agrees to it. */
import { useApp, useAppState } from '../app-context.ts';
import type { Dialog } from '../state/app-state.ts';
import { BalloonDialog } from './balloon-dialog.tsx';
import { CheckpointDeleteDialog } from './checkpoint-delete-dialog.tsx';
import { CloneDialog } from './clone-dialog.tsx';
import { ConfirmDialog } from './confirm-dialog.tsx';
import { InsertDiscDialog, LockedDiscDialog } from './disc-dialogs.tsx';
import { NameDialog } from './name-dialog.tsx';
import { PassphraseDialog } from './passphrase-dialog.tsx';
import { PolicyDialog } from './policy-dialog.tsx';
import { RevertDialog } from './revert-dialog.tsx';
import { TakeDialog } from './take-dialog.tsx';
import { VmFormDialog } from './vm-form-dialog.tsx';

export function Dialogs() {
  const dialog = useAppState(state => state.dialog);
  return dialog ? <OpenDialog key={JSON.stringify(dialog)} dialog={dialog} /> : null;
}

function OpenDialog({ dialog }: { dialog: Dialog }) {
  const { controller } = useApp();
  const vms = useAppState(state => state.vms);
  const view = 'vm' in dialog ? vms[dialog.vm] : undefined;
  const checkpoint = 'checkpoint' in dialog ? view?.checkpoints?.find(({ id }) => id === dialog.checkpoint) : undefined;
  switch (dialog.kind) {
    case 'new-vm':
      return <VmFormDialog />;
    case 'settings':
      return <VmFormDialog existing={dialog.vm} />;
    case 'take':
      return view ? <TakeDialog view={view} /> : null;
    case 'rename':
      return (
        <NameDialog
          heading="Rename checkpoint"
          label="Title"
          initial={checkpoint?.title ?? ''}
          verb="Rename"
          run={title => controller.rename(dialog.vm, dialog.checkpoint, title)}
        />
      );
    case 'clone':
      return checkpoint ? <CloneDialog vm={dialog.vm} checkpoint={checkpoint} /> : null;
    case 'note':
      return (
        <NameDialog
          heading={`Note on “${checkpoint?.title ?? ''}”`}
          label="Note"
          initial={checkpoint?.note ?? ''}
          verb="Save"
          isOptional
          run={note => controller.note(dialog.vm, dialog.checkpoint, note)}
        />
      );
    case 'delete-checkpoint':
      return view && checkpoint ? <CheckpointDeleteDialog view={view} checkpoint={checkpoint} /> : null;
    case 'revert':
      return view && checkpoint ? <RevertDialog view={view} checkpoint={checkpoint} /> : null;
    case 'passphrase':
      return <PassphraseDialog question={dialog} />;
    case 'balloon':
      return view ? <BalloonDialog view={view} /> : null;
    case 'policy':
      return <PolicyDialog vm={dialog.vm} />;
    case 'insert-disc':
      return <InsertDiscDialog vm={dialog.vm} disk={dialog.disk} />;
    case 'locked-disc':
      return <LockedDiscDialog vm={dialog.vm} disk={dialog.disk} path={dialog.path} />;
    case 'plug':
      return (
        <ConfirmDialog heading={`Pull the plug of ${dialog.vm}?`} verb="Pull the plug" run={() => controller.stop(dialog.vm, 'plug')}>
          <p>It stops at once, as if the power had failed. Everything in its memory is lost; its checkpoints stay.</p>
        </ConfirmDialog>
      );
    case 'reset':
      return (
        <ConfirmDialog heading={`Reset ${dialog.vm}?`} verb="Reset" run={() => controller.reset(dialog.vm)}>
          <p>It starts again from the beginning. Everything in its memory is lost; its checkpoints stay.</p>
        </ConfirmDialog>
      );
    case 'rename-vm':
      return (
        <NameDialog
          heading={`Rename ${dialog.vm}`}
          text="Its folder gets the new name. Machines that lie on it find it by themselves."
          label="Name"
          initial={dialog.vm}
          verb="Rename"
          run={name => controller.renameVm(dialog.vm, name)}
        />
      );
    case 'delete':
      return (
        <ConfirmDialog heading={`Delete ${dialog.vm}?`} verb="Delete for good" run={() => controller.remove(dialog.vm)}>
          <p>The machine and its {view?.checkpoints?.length ?? 0} checkpoints are removed from this computer. This cannot be undone.</p>
        </ConfirmDialog>
      );
  }
}
