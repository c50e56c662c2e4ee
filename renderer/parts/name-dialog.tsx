/** Asks for one line of text. A refusal of the host is shown in place and the text is kept. */
import { useState, type FormEvent, type ReactNode } from 'react';
import { FieldError, Form, Input, Label, TextField } from 'react-aria-components';
import { FormButtons } from './form-end.tsx';
import { ModalDialog, useCloseDialog } from './modal-dialog.tsx';
import { useAttempt } from './use-attempt.ts';

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
  const { refusal, isBusy, attempt, forget } = useAttempt();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await attempt(() => run(value.trim()))) close();
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
            forget();
          }}
          isInvalid={refusal !== undefined}
          maxLength={200}
          autoFocus
        >
          <Label>{label}</Label>
          <Input onFocus={event => event.currentTarget.select()} />
          <FieldError>{refusal}</FieldError>
        </TextField>
        {children}
        <FormButtons verb={verb} isBusy={isBusy} isDisabled={!isOptional && value.trim() === ''} />
      </Form>
    </ModalDialog>
  );
}
