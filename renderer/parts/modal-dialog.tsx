/** The frame of every dialog: Escape and a click outside give up. */
import type { ReactNode } from 'react';
import { Dialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import { useApp } from '../app-context.ts';

export function useCloseDialog(): () => void {
  const { controller } = useApp();
  return () => controller.dispatch({ type: 'dialog', dialog: undefined });
}

export function ModalDialog({ heading, role, children }: { heading: string; role?: 'alertdialog'; children: ReactNode }) {
  const close = useCloseDialog();
  return (
    <ModalOverlay className="overlay" isOpen isDismissable onOpenChange={open => !open && close()}>
      <Modal className="modal">
        <Dialog className="dialog" role={role ?? 'dialog'}>
          <Heading slot="title">{heading}</Heading>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
