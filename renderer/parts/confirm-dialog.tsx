/** Asks before state is lost. The safe button has the focus. */
import type { ReactNode } from 'react';
import { Button } from 'react-aria-components';
import { ModalDialog, useCloseDialog } from './modal-dialog.tsx';

export function ConfirmDialog({
  heading,
  verb,
  run,
  children,
}: {
  heading: string;
  verb: string;
  run: () => Promise<void>;
  children: ReactNode;
}) {
  const close = useCloseDialog();
  return (
    <ModalDialog heading={heading} role="alertdialog">
      {children}
      <div className="dialog-foot">
        <Button className="button" autoFocus onPress={close}>
          Cancel
        </Button>
        <Button
          className="button danger"
          onPress={() => {
            close();
            void run();
          }}
        >
          {verb}
        </Button>
      </div>
    </ModalDialog>
  );
}
