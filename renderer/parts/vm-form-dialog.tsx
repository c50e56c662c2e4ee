/** A new VM, or the settings of one that is off: the options that `cairn run` takes, by the same names. */
import { FolderOpen, Trash2 } from 'lucide-react';
import { useEffect, useState, type FormEvent } from 'react';
import { Button, Checkbox, FieldError, Form, Input, Label, NumberField, Group, Text, TextField } from 'react-aria-components';
import type { VmConfig } from '../../main/ipc/contract.ts';
import { useApp, useAppState } from '../app-context.ts';
import { CheckMark } from './check-mark.tsx';
import { ModalDialog, useCloseDialog } from './modal-dialog.tsx';

const FRESH: VmConfig = {
  memoryMiB: 512,
  append: '',
  debugExit: false,
  noReboot: false,
  disks: [],
  checkpointMode: 'chain',
  overwrite: false,
};

export function VmFormDialog({ existing }: { existing?: string }) {
  const { controller } = useApp();
  const close = useCloseDialog();
  const config = useAppState(state => (existing === undefined ? FRESH : state.vms[existing]?.detail?.config));
  useEffect(() => {
    if (existing !== undefined) void controller.loadDetail(existing);
  }, [controller, existing]);
  if (!config) return null; // settings appear once they are known; a failure is told as a notice
  return (
    <ModalDialog heading={existing === undefined ? 'New virtual machine' : `Settings of ${existing}`}>
      <VmForm existing={existing} initial={config} onDone={close} />
    </ModalDialog>
  );
}

function VmForm({ existing, initial, onDone }: { existing: string | undefined; initial: VmConfig; onDone: () => void }) {
  const { controller } = useApp();
  const [name, setName] = useState(existing ?? '');
  const [config, setConfig] = useState(initial);
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const change = (patch: Partial<VmConfig>) => {
    setConfig({ ...config, ...patch });
    setError(undefined);
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      const { kernel, initrd, ...rest } = config;
      const filled: VmConfig = { ...rest, ...(kernel ? { kernel } : {}), ...(initrd ? { initrd } : {}) };
      await (existing === undefined ? controller.create(name.trim(), filled) : controller.configure(existing, filled));
      onDone();
    } catch (refusal) {
      setError(refusal instanceof Error ? refusal.message : String(refusal));
      setBusy(false);
    }
  };
  return (
    <Form className="vm-form" onSubmit={event => void submit(event)}>
      {existing === undefined ? (
        <TextField
          className="field"
          value={name}
          onChange={setName}
          isRequired
          maxLength={64}
          pattern="[A-Za-z0-9][A-Za-z0-9._ \-]*"
          autoFocus
        >
          <Label>Name</Label>
          <Input />
          <FieldError>Letters, digits, spaces, dots, dashes and underscores; a letter or a digit first.</FieldError>
        </TextField>
      ) : null}
      <NumberField
        className="field"
        value={config.memoryMiB}
        minValue={4}
        maxValue={3072}
        step={4}
        onChange={memoryMiB => change({ memoryMiB })}
        isRequired
      >
        <Label>Memory (MiB)</Label>
        <Group className="stepper">
          <Button slot="decrement">−</Button>
          <Input />
          <Button slot="increment">+</Button>
        </Group>
        <FieldError />
      </NumberField>
      <FileField
        label="Kernel"
        hint="A Linux bzImage or a Multiboot 1 file on this computer"
        value={config.kernel ?? ''}
        onChange={kernel => change({ kernel })}
        isRequired={existing === undefined}
      />
      <FileField label="Initial RAM disk" hint="Optional" value={config.initrd ?? ''} onChange={initrd => change({ initrd })} />
      <TextField className="field" value={config.append} onChange={append => change({ append })}>
        <Label>Kernel command line</Label>
        <Input className="mono" placeholder="console=tty0 console=ttyS0" />
      </TextField>
      <Checkbox className="check" isSelected={config.noReboot} onChange={noReboot => change({ noReboot })}>
        <CheckMark /> Power off instead of rebooting
      </Checkbox>
      <Checkbox className="check" isSelected={config.debugExit} onChange={debugExit => change({ debugExit })}>
        <CheckMark /> Debug-exit port (a guest program can end the machine with a code)
      </Checkbox>
      {error ? (
        <p className="form-error" role="alert">
          {error}
        </p>
      ) : null}
      <div className="dialog-foot">
        {existing === undefined ? null : (
          <Button
            className="button danger-quiet"
            onPress={() => controller.dispatch({ type: 'dialog', dialog: { kind: 'delete', vm: existing } })}
          >
            <Trash2 size={15} aria-hidden /> Delete…
          </Button>
        )}
        <span className="spacer" />
        <Button className="button" onPress={onDone}>
          Cancel
        </Button>
        <Button className="button primary" type="submit" isDisabled={busy}>
          {existing === undefined ? 'Create' : 'Save'}
        </Button>
      </div>
    </Form>
  );
}

/** A path on the host. The Electron shell can ask the system's file dialog; a browser can't tell paths, so they are typed there. */
function FileField({
  label,
  hint,
  value,
  onChange,
  isRequired = false,
}: {
  label: string;
  hint: string;
  value: string;
  onChange: (path: string) => void;
  isRequired?: boolean;
}) {
  const { bridge } = useApp();
  const pick = async () => {
    const path = await bridge?.pickFile(label);
    if (path !== undefined) onChange(path);
  };
  return (
    <TextField className="field" value={value} onChange={onChange} isRequired={isRequired}>
      <Label>{label}</Label>
      <div className="with-button">
        <Input className="mono" placeholder="/path/to/file" spellCheck={false} />
        {bridge ? (
          <Button className="button icon" aria-label={`Choose ${label}`} onPress={() => void pick()}>
            <FolderOpen size={16} aria-hidden />
          </Button>
        ) : null}
      </div>
      <Text slot="description">{hint}</Text>
      <FieldError />
    </TextField>
  );
}
