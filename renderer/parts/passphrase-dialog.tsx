/** Asks for the passphrase of encrypted checkpoints. It is in this dialog's fields and in the request, and nowhere else in the window. */
import { Eye, EyeOff } from 'lucide-react';
import { useRef, useState, type ReactNode, type Ref, type RefObject } from 'react';
import { FieldError, Form, Input, Label, TextField, ToggleButton } from 'react-aria-components';
import { useApp } from '../app-context.ts';
import type { PassphraseQuestion } from '../state/passphrase-question.ts';
import { FormButtons } from './form-end.tsx';
import { ModalDialog } from './modal-dialog.tsx';
import { Tip } from './tip.tsx';

/** As the contract has it. */
const LONGEST = 1024;

interface Refusal {
  readonly of: 'passphrase' | 'repeated';
  readonly text: string;
}

export function PassphraseDialog({ question }: { question: PassphraseQuestion }) {
  const [passphrase, setPassphrase] = useState('');
  const [repeated, setRepeated] = useState('');
  const [isShown, setShown] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  const second = useRef<HTMLInputElement>(null);
  const { vm, backTo, isNew } = question;
  const { refusal, isBusy, submit, forget } = useAnswer(question, of => selectAll(of === 'passphrase' ? first : second));
  const field = (of: Refusal['of']) => ({ isShown, onEdit: forget, error: refusal?.of === of ? refusal.text : undefined });
  return (
    <ModalDialog heading={isNew ? `Choose a passphrase for ${vm}` : `Passphrase of ${backTo ? `“${backTo.title}”` : vm}`}>
      <Form
        onSubmit={event => {
          event.preventDefault();
          void submit(passphrase, repeated);
        }}
        validationBehavior="aria"
      >
        <Why question={question} />
        <SecretField {...field('passphrase')} label="Passphrase" value={passphrase} onChange={setPassphrase} input={first} isFirst>
          <Tip text={isShown ? 'Hide the passphrase' : 'Show the passphrase'}>
            <ToggleButton className="button icon" aria-label="Show the passphrase" isSelected={isShown} onChange={setShown}>
              {isShown ? <EyeOff size={16} aria-hidden /> : <Eye size={16} aria-hidden />}
            </ToggleButton>
          </Tip>
        </SecretField>
        {isNew ? (
          <SecretField {...field('repeated')} label="The same once more" value={repeated} onChange={setRepeated} input={second} />
        ) : null}
        <FormButtons verb={backTo ? 'Revert' : 'Start'} isBusy={isBusy} isDisabled={passphrase === ''} />
      </Form>
    </ModalDialog>
  );
}

/** What becomes of an answer; `retry` brings the user back to the field that was refused. */
function useAnswer(question: PassphraseQuestion, retry: (of: Refusal['of']) => void) {
  const { controller } = useApp();
  const [refusal, setRefusal] = useState<Refusal>();
  const [isBusy, setBusy] = useState(false);
  const refuse = (of: Refusal['of'], text: string) => {
    setRefusal({ of, text });
    retry(of);
  };
  const submit = async (passphrase: string, repeated: string) => {
    if (isBusy || passphrase === '') return;
    if (question.isNew && repeated !== passphrase) return refuse('repeated', 'This is not the same passphrase: type it once more.');
    setBusy(true);
    setRefusal(undefined);
    try {
      await controller.answer(question, passphrase);
    } catch {
      setBusy(false);
      refuse('passphrase', 'This is not the passphrase. Nothing has changed: try again.');
    }
  };
  return { refusal, isBusy, submit, forget: () => setRefusal(undefined) };
}

function selectAll({ current }: RefObject<HTMLInputElement | null>): void {
  current?.focus();
  current?.select();
}

function Why({ question: { vm, backTo, hasOther, isNew } }: { question: PassphraseQuestion }) {
  const kept = `Cairn writes it nowhere and forgets it when ${vm} is off.`;
  if (isNew) {
    return (
      <>
        <p>Memory in the checkpoints of {vm} is encrypted with it from now on, and each start asks for it.</p>
        <p className="warning">{kept} If you lose it, nobody can go back to those checkpoints.</p>
      </>
    );
  }
  const what = backTo ? 'This checkpoint is encrypted' : `Checkpoints of ${vm} are encrypted`;
  return (
    <p>
      {what}
      {hasOther ? ', and not with the passphrase that Cairn was given before.' : '.'} {backTo ? 'Going back to it' : 'Starting it'} takes
      the passphrase. {kept}
    </p>
  );
}

interface SecretProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (text: string) => void;
  readonly onEdit: () => void;
  readonly isShown: boolean;
  readonly error: string | undefined;
  readonly input: Ref<HTMLInputElement>;
  readonly isFirst?: boolean;
  readonly children?: ReactNode;
}

/** No spelling check and no memory of the browser's: both would carry it elsewhere. */
function SecretField({ label, value, onChange, onEdit, isShown, error, input, isFirst = false, children }: SecretProps) {
  return (
    <TextField
      className="field"
      type={isShown ? 'text' : 'password'}
      value={value}
      onChange={text => {
        onChange(text);
        onEdit();
      }}
      isInvalid={error !== undefined}
      maxLength={LONGEST}
      autoComplete="off"
      autoCorrect="off"
      spellCheck="false"
      autoFocus={isFirst}
    >
      <Label>{label}</Label>
      <div className="with-button">
        <Input ref={input} autoCapitalize="none" />
        {children}
      </div>
      <FieldError>
        <span role="alert">{error}</span>
      </FieldError>
    </TextField>
  );
}
