/** The end of a form: why the host refused it, and the buttons to give it up or hand it in. */
import type { ReactNode } from 'react';
import { Button } from 'react-aria-components';
import { useCloseDialog } from './modal-dialog.tsx';

export function FormError({ text }: { text: string | undefined }) {
  if (text === undefined) return null;
  return (
    <p className="form-error" role="alert">
      {text}
    </p>
  );
}

interface Props {
  readonly verb: string;
  readonly isBusy: boolean;
  readonly isDisabled?: boolean;
  /** Of a form that scrolls. */
  readonly isSticky?: boolean;
  /** What else can be done, before the two buttons. */
  readonly children?: ReactNode;
}

export function FormButtons({ verb, isBusy, isDisabled = false, isSticky = false, children }: Props) {
  const close = useCloseDialog();
  return (
    <div className={isSticky ? 'dialog-foot sticky' : 'dialog-foot'}>
      {children}
      <Button className="button" onPress={close}>
        Cancel
      </Button>
      <Button className="button primary" type="submit" isPending={isBusy} isDisabled={isDisabled}>
        {verb}
      </Button>
    </div>
  );
}
