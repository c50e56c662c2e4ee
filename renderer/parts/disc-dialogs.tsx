/** Another disc for a CD-ROM drive, and what is asked when the guest uses the one that is in it. */
import { useState, type FormEvent } from 'react';
import { Button, Form } from 'react-aria-components';
import { useApp } from '../app-context.ts';
import { fileName } from '../state/disk-form.ts';
import { ConfirmDialog } from './confirm-dialog.tsx';
import { FileField } from './file-field.tsx';
import { ModalDialog, useCloseDialog } from './modal-dialog.tsx';

export function InsertDiscDialog({ vm, disk }: { vm: string; disk: string }) {
  const { controller } = useApp();
  const close = useCloseDialog();
  const [path, setPath] = useState('');
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const insert = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const { store } = controller;
    const dialog = store.getState().dialog;
    try {
      await controller.changeDisc(vm, disk, path.trim());
      if (store.getState().dialog === dialog) close(); // it has not become the question whether the old one may go
    } catch (refusal) {
      setError(refusal instanceof Error ? refusal.message : String(refusal));
      setBusy(false);
    }
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
            setError(undefined);
          }}
          isRequired
          autoFocus
        />
        {error ? (
          <p className="form-error" role="alert">
            {error}
          </p>
        ) : null}
        <div className="dialog-foot">
          <Button className="button" onPress={close}>
            Cancel
          </Button>
          <Button className="button primary" type="submit" isPending={isBusy} isDisabled={path.trim() === ''}>
            Insert
          </Button>
        </div>
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
      controller.notify('error', refusal instanceof Error ? refusal.message : String(refusal), vm);
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
