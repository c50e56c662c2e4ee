/** A path on the host. The Electron shell can ask the system's file dialog; a browser can't tell paths, so they are typed there. */
import { FolderOpen } from 'lucide-react';
import { Button, FieldError, Input, Label, Text, TextField } from 'react-aria-components';
import { useApp } from '../app-context.ts';

interface Props {
  readonly label: string;
  readonly hint?: string;
  readonly value: string;
  readonly onChange: (path: string) => void;
  readonly isRequired?: boolean;
  readonly isDisabled?: boolean;
  readonly autoFocus?: boolean;
}

export function FileField({ label, hint, value, onChange, isRequired = false, isDisabled = false, autoFocus = false }: Props) {
  const { bridge } = useApp();
  const pick = async () => {
    const path = await bridge?.pickFile(label);
    if (path !== undefined) onChange(path);
  };
  return (
    // oxlint-disable-next-line jsx-a11y/no-autofocus -- it appears because the user asked for it
    <TextField className="field" value={value} onChange={onChange} isRequired={isRequired} isDisabled={isDisabled} autoFocus={autoFocus}>
      <Label>{label}</Label>
      <div className="with-button">
        <Input className="mono" placeholder="/path/to/file" spellCheck={false} title={value} />
        {bridge ? (
          <Button className="button icon" aria-label={`Choose ${label}`} isDisabled={isDisabled} onPress={() => void pick()}>
            <FolderOpen size={16} aria-hidden />
          </Button>
        ) : null}
      </div>
      {hint === undefined ? null : <Text slot="description">{hint}</Text>}
      <FieldError />
    </TextField>
  );
}
