/** Asks for one line of text. A refusal of the host is shown in place and the text is kept. */
import { useState, type FormEvent, type ReactNode } from 'react';
import { Button, FieldError, Form, Input, Label, TextField } from 'react-aria-components';
import { ModalDialog, useCloseDialog } from './modal-dialog.tsx';

interface Props {
  readonly heading: string;
  readonly text?: string | undefined;
  readonly label: string;
  readonly initial: string;
  readonly verb: string;
  /** Nothing is an answer, too. */
  readonly isOptional?: boolean;
  /** What else is asked, below the text. */
  readonly children?: ReactNode;
  readonly run: (text: string) => Promise<void>;
}

export function NameDialog({ heading, text, label, initial, verb, isOptional = false, children, run }: Props) {
  const close = useCloseDialog();
  const [value, setValue] = useState(initial);
  const [error, setError] = useState<string>();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await run(value.trim());
      close();
    } catch (refusal) {
      setError(refusal instanceof Error ? refusal.message : String(refusal));
    }
  };
  return (
    <ModalDialog heading={heading}>
      <Form onSubmit={event => void submit(event)} validationBehavior="aria">
        {text ? <p>{text}</p> : null}
        <TextField
          className="field"
          value={value}
          onChange={changed => {
            setValue(changed);
            setError(undefined);
          }}
          isInvalid={error !== undefined}
          maxLength={200}
          autoFocus
        >
          <Label>{label}</Label>
          <Input onFocus={event => event.currentTarget.select()} />
          <FieldError>{error}</FieldError>
        </TextField>
        {children}
        <div className="dialog-foot">
          <Button className="button" onPress={close}>
            Cancel
          </Button>
          <Button className="button primary" type="submit" isDisabled={!isOptional && value.trim() === ''}>
            {verb}
          </Button>
        </div>
      </Form>
    </ModalDialog>
  );
}
