/** The frame of every dialog: Escape and a click outside give up. */
import type { ReactNode } from 'react';
import { Dialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import { useApp } from '../app-context.ts';

export function useCloseDialog(): () => void {
  const { controller } = useApp();
  return () => controller.dispatch({ type: 'dialog', dialog: undefined });
}

interface Props {
  readonly heading: string;
  readonly role?: 'alertdialog';
  readonly isWide?: boolean;
  readonly children: ReactNode;
}

export function ModalDialog({ heading, role, isWide = false, children }: Props) {
  const close = useCloseDialog();
  return (
    <ModalOverlay className="overlay" isOpen isDismissable onOpenChange={open => !open && close()}>
      <Modal className={isWide ? 'modal wide' : 'modal'}>
        <Dialog className="dialog" role={role ?? 'dialog'}>
          <Heading slot="title">{heading}</Heading>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
