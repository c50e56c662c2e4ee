/** When checkpoints are taken without being asked for, and how long those are kept. It holds at once, also of a machine that runs. */
import { ChevronDown, Plus, X } from 'lucide-react';
import { useState, type FormEvent } from 'react';
import { Button, Checkbox, Form, Input, NumberField } from 'react-aria-components';
import type { Policy, RetentionTier } from '../../main/ipc/contract.ts';
import { useApp, useAppState } from '../app-context.ts';
import {
  BATTERY_LOW_PERCENT,
  DISK_LOW_MIB,
  nextTier,
  PERIOD,
  secondsOf,
  tierProblems,
  TRIGGERS,
  type Trigger,
} from '../state/policy-form.ts';
import { CheckMark } from './check-mark.tsx';
import { FormButtons, FormError } from './form-end.tsx';
import { IconButton } from './icon-button.tsx';
import { ModalDialog, useCloseDialog } from './modal-dialog.tsx';
import { SpanField } from './span-field.tsx';
import { useAttempt } from './use-attempt.ts';
import { useFresh } from './use-fresh.ts';

const MOST_TIERS = 16;
const { onBattery: _battery, ...OTHERS } = TRIGGERS;
type Change = (patch: Partial<Policy> | ((before: Policy) => Partial<Policy>)) => void;

/** It appears once the host has said what the policy is now: another process may have changed it. */
export function PolicyDialog({ vm }: { vm: string }) {
  const isFresh = useFresh(vm, 'loadPolicy');
  const policy = useAppState(state => state.vms[vm]?.policy);
  if (!policy || !isFresh) return null;
  return (
    <ModalDialog heading={`Automatic checkpoints of ${vm}`} isWide>
      <PolicyForm vm={vm} initial={policy} />
    </ModalDialog>
  );
}

function PolicyForm({ vm, initial }: { vm: string; initial: Policy }) {
  const { controller } = useApp();
  const close = useCloseDialog();
  const [policy, setPolicy] = useState(initial);
  const { refusal, isBusy, attempt, forget } = useAttempt();
  // A number is taken over when its field loses the focus: by a click that changes something else in the same moment.
  const change: Change = patch => {
    setPolicy(before => ({ ...before, ...(typeof patch === 'function' ? patch(before) : patch) }));
    forget();
  };
  const problems = tierProblems(policy.keep);
  const isGood = problems.every(problem => problem === undefined);
  const save = async (event: FormEvent) => {
    event.preventDefault();
    if (!isGood) return;
    if (await attempt(() => controller.setPolicy(vm, policy))) close();
  };
  return (
    <Form className="vm-form" onSubmit={event => void save(event)}>
      <TakeFields policy={policy} change={change} />
      <KeepFields tiers={policy.keep} problems={problems} onChange={update => change(({ keep }) => ({ keep: update(keep) }))} />
      <RoomField value={policy.diskLowMiB} onChange={diskLowMiB => change({ diskLowMiB })} />
      <FormError text={refusal} />
      <FormButtons verb="Save" isBusy={isBusy} isDisabled={!isGood} isSticky />
    </Form>
  );
}

function TakeFields({ policy, change }: { policy: Policy; change: Change }) {
  const { everySeconds, batteryLowPercent } = policy;
  return (
    <section className="form-part first" aria-label="Take one">
      <h3>Take one</h3>
      <div className="check-line">
        <Checkbox
          className="check"
          isSelected={everySeconds !== null}
          onChange={on => change({ everySeconds: on ? secondsOf(PERIOD) : null })}
        >
          <CheckMark /> every
        </Checkbox>
        <SpanField
          label="Every"
          value={everySeconds ?? secondsOf(PERIOD)}
          isDisabled={everySeconds === null}
          onChange={to => change({ everySeconds: to })}
        />
        <span className={everySeconds === null ? 'check-rest off' : 'check-rest'}>in which the machine was on</span>
      </div>
      <Checkbox className="check" isSelected={policy.onBattery} onChange={onBattery => change({ onBattery })}>
        <CheckMark /> {TRIGGERS.onBattery}
      </Checkbox>
      <div className="check-line">
        <Checkbox
          className="check"
          isSelected={batteryLowPercent !== null}
          onChange={on => change({ batteryLowPercent: on ? BATTERY_LOW_PERCENT : null })}
        >
          <CheckMark /> when its battery has no more than
        </Checkbox>
        <ShortNumber
          label="Battery low, per cent"
          value={batteryLowPercent ?? BATTERY_LOW_PERCENT}
          least={1}
          most={99}
          isDisabled={batteryLowPercent === null}
          onChange={to => change({ batteryLowPercent: to })}
        />
        <span className={batteryLowPercent === null ? 'check-rest off' : 'check-rest'}>%</span>
      </div>
      {Object.entries(OTHERS).map(([trigger, words]) => (
        <Checkbox key={trigger} className="check" isSelected={policy[trigger as Trigger]} onChange={on => change({ [trigger]: on })}>
          <CheckMark /> {words}
        </Checkbox>
      ))}
    </section>
  );
}

interface KeepProps {
  readonly tiers: readonly RetentionTier[];
  readonly problems: readonly (string | undefined)[];
  readonly onChange: (update: (tiers: readonly RetentionTier[]) => RetentionTier[]) => void;
}

function KeepFields({ tiers, problems, onChange }: KeepProps) {
  // A row keeps its key when one before it goes.
  const [keys, setKeys] = useState(() => tiers.map((_, index) => index));
  const [added, setAdded] = useState(tiers.length);
  return (
    <section className="form-part" aria-label="Keep">
      <h3>Keep of them</h3>
      {tiers.length === 0 ? <p className="hint">All, for ever.</p> : null}
      {tiers.map((tier, index) => (
        <TierRow
          key={keys[index]}
          number={index + 1}
          tier={tier}
          problem={problems[index]}
          onChange={patch => onChange(before => before.map((one, at) => (at === index ? { ...one, ...patch } : one)))}
          onRemove={() => {
            onChange(before => before.toSpliced(index, 1));
            setKeys(keys.toSpliced(index, 1));
          }}
        />
      ))}
      <Button
        className="button add"
        isDisabled={tiers.length >= MOST_TIERS}
        onPress={() => {
          onChange(before => [...before, nextTier(before)]);
          setKeys([...keys, added]);
          setAdded(added + 1);
        }}
      >
        <Plus size={15} aria-hidden /> {tiers.length === 0 ? 'Thin them out' : 'Reach further back'}
      </Button>
      <p className="hint">
        {tiers.length === 0 ? '' : 'What is older than the last line reaches is deleted. '}Checkpoints that you took, named or marked to be
        kept always stay. Ages count only the time in which the machine was on.
      </p>
    </section>
  );
}

interface TierProps {
  readonly number: number;
  readonly tier: RetentionTier;
  readonly problem: string | undefined;
  readonly onChange: (patch: Partial<RetentionTier>) => void;
  readonly onRemove: () => void;
}

function TierRow({ number, tier, problem, onChange, onRemove }: TierProps) {
  const { everySeconds, forSeconds } = tier;
  const isAll = everySeconds === 0;
  return (
    <fieldset className="tier" aria-label={`Line ${number}`}>
      <span className="field">
        <span className="select">
          <select
            aria-label="How many"
            value={isAll ? 'all' : 'one'}
            onChange={event => onChange({ everySeconds: event.currentTarget.value === 'all' ? 0 : Math.min(3600, forSeconds) })}
          >
            <option value="all">all</option>
            <option value="one">one in</option>
          </select>
          <ChevronDown size={14} aria-hidden />
        </span>
      </span>
      {isAll ? <span /> : <SpanField label="One in" value={everySeconds} onChange={to => onChange({ everySeconds: to })} />}
      <span className="tier-word">for</span>
      <SpanField label="For" value={forSeconds} isInvalid={problem !== undefined} onChange={to => onChange({ forSeconds: to })} />
      <IconButton icon={X} text={`Remove line ${number}`} onPress={onRemove} />
      {problem === undefined ? null : (
        <p className="tier-problem" role="alert">
          {problem}
        </p>
      )}
    </fieldset>
  );
}

function RoomField({ value, onChange }: { value: number | null; onChange: (mebibytes: number | null) => void }) {
  return (
    <section className="form-part" aria-label="Room">
      <h3>Room</h3>
      <div className="check-line">
        <Checkbox className="check" isSelected={value !== null} onChange={on => onChange(on ? DISK_LOW_MIB : null)}>
          <CheckMark /> Be careful with less than
        </Checkbox>
        <ShortNumber
          label="Room left, MiB"
          value={value ?? DISK_LOW_MIB}
          least={0}
          most={1 << 24}
          isDisabled={value === null}
          onChange={onChange}
        />
        <span className={value === null ? 'check-rest off' : 'check-rest'}>MiB on the disk that the machine lies on</span>
      </div>
      <p className="hint">Then no checkpoint is taken by the clock, and automatic ones are thinned out further.</p>
    </section>
  );
}

interface NumberProps {
  readonly label: string;
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly isDisabled: boolean;
  readonly onChange: (value: number) => void;
}

function ShortNumber({ label, value, least, most, isDisabled, onChange }: NumberProps) {
  return (
    <NumberField
      className="field short"
      aria-label={label}
      value={value}
      minValue={least}
      maxValue={most}
      isDisabled={isDisabled}
      formatOptions={{ useGrouping: false, maximumFractionDigits: 0 }}
      onChange={to => onChange(Number.isNaN(to) ? least : to)}
    >
      <Input />
    </NumberField>
  );
}
