/** Another disc for a CD-ROM drive, and what is asked when the guest uses the one that is in it. */
import { useState, type FormEvent } from 'react';
import { Form } from 'react-aria-components';
import { useApp } from '../app-context.ts';
import { messageOf } from '../message-of.ts';
import { fileName } from '../state/disk-form.ts';
import { ConfirmDialog } from './confirm-dialog.tsx';
import { FileField } from './file-field.tsx';
import { FormButtons, FormError } from './form-end.tsx';
import { ModalDialog, useCloseDialog } from './modal-dialog.tsx';
import { useAttempt } from './use-attempt.ts';

export function InsertDiscDialog({ vm, disk }: { vm: string; disk: string }) {
  const { controller } = useApp();
  const close = useCloseDialog();
  const [path, setPath] = useState('');
  const { refusal, isBusy, attempt, forget } = useAttempt();
  const insert = async (event: FormEvent) => {
    event.preventDefault();
    const { store } = controller;
    const dialog = store.getState().dialog;
    const isIn = await attempt(() => controller.changeDisc(vm, disk, path.trim()));
    if (isIn && store.getState().dialog === dialog) close(); // it has not become the question whether the old one may go
  };
  return (
    <ModalDialog heading={`Insert a disc into ${disk}`}>
      <Form onSubmit={event => void insert(event)}>
        <FileField
          label="Image"
          hint="An ISO image, or another raw or qcow2 image, on this computer. It is only read."
          value={path}
          onChange={to => {
            setPath(to);
            forget();
          }}
          isRequired
          autoFocus
        />
        <FormError text={refusal} />
        <FormButtons verb="Insert" isBusy={isBusy} isDisabled={path.trim() === ''} />
      </Form>
    </ModalDialog>
  );
}

export function LockedDiscDialog({ vm, disk, path }: { vm: string; disk: string; path: string }) {
  const { controller } = useApp();
  const verb = path === '' ? 'Eject all the same' : 'Change all the same';
  const change = async () => {
    try {
      await controller.changeDisc(vm, disk, path, true);
    } catch (refusal) {
      controller.notify('error', messageOf(refusal), vm);
    }
  };
  return (
    <ConfirmDialog heading={`${vm} uses the disc in ${disk}`} verb={verb} run={change}>
      <p>
        The guest has locked the tray, as it does while a disc is mounted, and has been asked to let go of it. Unmount the disc in the guest
        and try again{path === '' ? '' : `, to insert ${fileName(path)}`}. Taken away all the same, what is read from it fails.
      </p>
    </ConfirmDialog>
  );
}
