/** A new VM, or the settings of one that is off: the options that `cairn run` takes, by the same names. */
import { Trash2 } from 'lucide-react';
import { useState, type FormEvent } from 'react';
import { Button, Checkbox, FieldError, Form, Input, Label, TextField } from 'react-aria-components';
import type { VmConfig } from '../../main/ipc/contract.ts';
import { useApp, useAppState } from '../app-context.ts';
import { heldDisks, newlyWritten } from '../state/disk-form.ts';
import { CheckMark } from './check-mark.tsx';
import { CheckpointFields } from './checkpoint-fields.tsx';
import { DiskList } from './disk-list.tsx';
import { FileField } from './file-field.tsx';
import { FormButtons, FormError } from './form-end.tsx';
import { HostFields } from './host-fields.tsx';
import { ModalDialog, useCloseDialog } from './modal-dialog.tsx';
import { StepperField } from './stepper-field.tsx';
import { useAttempt } from './use-attempt.ts';
import { useFresh } from './use-fresh.ts';
import { WriteBaseQuestion } from './write-base-question.tsx';

const FRESH: VmConfig = {
  memoryMiB: 512,
  append: '',
  debugExit: false,
  noReboot: false,
  disks: [],
  checkpointMode: 'chain',
  overwrite: false,
};

type Change = (patch: Partial<VmConfig>) => void;

/** Settings appear once the host has said what they are now: what it says is what is edited. */
export function VmFormDialog({ existing }: { existing?: string }) {
  const close = useCloseDialog();
  const isFresh = useFresh(existing, 'loadDetail');
  const config = useAppState(state => (existing === undefined ? FRESH : state.vms[existing]?.detail?.config));
  if (!config || !isFresh) return null;
  return (
    <ModalDialog heading={existing === undefined ? 'New virtual machine' : `Settings of ${existing}`} isWide>
      <VmForm existing={existing} initial={config} onDone={close} />
    </ModalDialog>
  );
}

function VmForm({ existing, initial, onDone }: { existing: string | undefined; initial: VmConfig; onDone: () => void }) {
  const { controller } = useApp();
  const [name, setName] = useState(existing ?? '');
  const [config, setConfig] = useState(initial);
  const { refusal, isBusy, attempt, forget } = useAttempt();
  /** Whether the guest may write to the user's images. */
  const [isAsked, setAsked] = useState(false);
  const held = useAppState(state => (existing === undefined ? 0 : heldDisks(state.vms[existing]?.checkpoints ?? [])));
  // A number is taken over when its field loses the focus: by a click that changes something else in the same moment.
  const change: Change = patch => {
    setConfig(before => ({ ...before, ...patch }));
    forget();
  };
  const written = newlyWritten(initial.disks, config.disks);
  const save = async () => {
    const { kernel, initrd, ...rest } = config;
    const filled: VmConfig = { ...rest, ...(kernel ? { kernel } : {}), ...(initrd ? { initrd } : {}) };
    const isSaved = await attempt(() =>
      existing === undefined ? controller.create(name.trim(), filled) : controller.configure(existing, filled),
    );
    if (isSaved) onDone();
    else setAsked(false);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (written.length > 0) setAsked(true);
    else void save();
  };
  if (isAsked) return <WriteBaseQuestion paths={written} isBusy={isBusy} onBack={() => setAsked(false)} onAgree={() => void save()} />;
  return (
    <Form className="vm-form" onSubmit={submit}>
      {existing === undefined ? <NameField value={name} onChange={setName} /> : null}
      <MemoryFields config={config} change={change} />
      <BootFields config={config} change={change} isNew={existing === undefined} />
      <HostFields config={config} change={change} />
      <DiskList disks={config.disks} held={held} onChange={disks => change({ disks })} />
      <CheckpointFields config={config} change={change} />
      <FormError text={refusal} />
      <FormButtons verb={existing === undefined ? 'Create' : 'Save'} isBusy={isBusy} isSticky>
        {existing === undefined ? null : (
          <>
            <Button
              className="button danger-quiet"
              onPress={() => controller.dispatch({ type: 'dialog', dialog: { kind: 'delete', vm: existing } })}
            >
              <Trash2 size={15} aria-hidden /> Delete…
            </Button>
            <Button className="button" onPress={() => controller.dispatch({ type: 'dialog', dialog: { kind: 'rename-vm', vm: existing } })}>
              Rename…
            </Button>
          </>
        )}
        <span className="spacer" />
      </FormButtons>
    </Form>
  );
}

function NameField({ value, onChange }: { value: string; onChange: (name: string) => void }) {
  return (
    <TextField
      className="field"
      value={value}
      onChange={onChange}
      isRequired
      maxLength={64}
      pattern="[\p{L}\p{N}][\p{L}\p{M}\p{N}._ \-]*"
      autoFocus
    >
      <Label>Name</Label>
      <Input />
      <FieldError>Letters, digits, spaces, dots, dashes and underscores; a letter or a digit first.</FieldError>
    </TextField>
  );
}

function MemoryFields({ config, change }: { config: VmConfig; change: Change }) {
  return (
    <>
      <StepperField
        label="Memory (MiB)"
        value={config.memoryMiB}
        minValue={4}
        maxValue={3072}
        step={4}
        isRequired
        onChange={memoryMiB => change({ memoryMiB })}
      />
      <Checkbox className="check" isSelected={config.balloon ?? false} onChange={balloon => change({ balloon })}>
        <CheckMark />
        <span>
          Memory balloon
          <span className="check-text">
            While it runs, the guest can be asked to give memory back, which checkpoints do not save then. A checkpoint goes on only in a
            machine that has a balloon as it had.
          </span>
        </span>
      </Checkbox>
      <Checkbox className="check" isSelected={config.shareMemory ?? false} onChange={shareMemory => change({ shareMemory })}>
        <CheckMark />
        <span>
          Share equal pages
          <span className="check-text">
            Pages of the guest’s memory that are equal become one, bit by bit in the background. The guest cannot tell; it takes a little of
            this computer’s time.
          </span>
        </span>
      </Checkbox>
    </>
  );
}

function BootFields({ config, change, isNew }: { config: VmConfig; change: Change; isNew: boolean }) {
  return (
    <section className="form-part" aria-label="Start">
      <h3>Start</h3>
      <FileField
        label="Kernel"
        hint="A Linux bzImage or a Multiboot 1 file on this computer"
        value={config.kernel ?? ''}
        onChange={kernel => change({ kernel })}
        isRequired={isNew}
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
    </section>
  );
}
