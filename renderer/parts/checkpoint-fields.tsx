/** How a machine's checkpoints are made: the part of its settings that `cairn run` has as options. */
import { Checkbox } from 'react-aria-components';
import type { CheckpointPace, VmConfig } from '../../main/ipc/contract.ts';
import { CheckMark } from './check-mark.tsx';
import { CheckpointModeField } from './checkpoint-mode-field.tsx';
import { ChoiceField, type Choices } from './choice-field.tsx';
import { StepperField } from './stepper-field.tsx';

/** As many as the engine takes when nothing is said. */
const USUAL_DEPTH = 64;

type Change = (patch: Partial<VmConfig>) => void;
type PaceWord = Extract<CheckpointPace, string>;

const PACES: Choices<PaceWord> = { gentle: 'Gently', normal: 'Normally', fast: 'Fast' };
const PACE_HINTS: Choices<PaceWord | 'steps'> = {
  gentle: 'A fifth of the time is spent on it, half after a minute: the guest notices least.',
  normal: 'Half of the time is spent on it, all of it after 30 seconds.',
  fast: 'All of the time is spent on it: done soonest, and the guest is slower meanwhile.',
  steps: 'Steps of your own, from the file vm.json in the machine’s folder.',
};
const COMPRESSIONS: Choices<'zstd' | 'none'> = { zstd: 'Yes (zstd)', none: 'No: faster on a fast disk' };

export function CheckpointFields({ config, change }: { config: VmConfig; change: Change }) {
  return (
    <section className="form-part" aria-label="Checkpoints">
      <h3>Checkpoints</h3>
      {config.disks.some(({ media, readonly }) => media === 'disk' && !readonly) ? (
        <>
          <CheckpointModeField value={config.checkpointMode} onChange={checkpointMode => change({ checkpointMode })} />
          <StepperField
            label="Files in a disk’s chain, at most"
            value={config.chainDepth ?? USUAL_DEPTH}
            minValue={8}
            maxValue={4096}
            isRequired
            hint="What longer chains say is copied together in the background. Fewer files are read faster and take more room."
            onChange={depth => change({ chainDepth: depth === USUAL_DEPTH ? undefined : depth })}
          />
        </>
      ) : null}
      <WritingFields config={config} change={change} />
      <CopyLimitField value={config.copyLimitMiB} memoryMiB={config.memoryMiB} onChange={copyLimitMiB => change({ copyLimitMiB })} />
      <Checkbox className="check" isSelected={config.overwrite} onChange={overwrite => change({ overwrite })}>
        <CheckMark />
        <span>
          Only the newest checkpoint stays
          <span className="check-text">A new one replaces the one before it, unless that is marked to be kept or others came from it.</span>
        </span>
      </Checkbox>
      <Checkbox className="check" isSelected={config.keepInRam ?? false} onChange={keepInRam => change({ keepInRam })}>
        <CheckMark />
        <span>
          Keep the last checkpoints in RAM, too
          <span className="check-text">Going back to one of them reads no file. Up to four are kept, as room allows.</span>
        </span>
      </Checkbox>
      <Checkbox className="check" isSelected={config.encrypted ?? false} onChange={encrypted => change({ encrypted })}>
        <CheckMark />
        <span>
          Encrypt what checkpoints hold of memory
          <span className="check-text">
            Each start asks for the passphrase, which is kept nowhere. Disks, titles, notes and the tables of checkpoint files (how much
            memory each holds, and where) stay in the clear, and so do checkpoints taken before.
          </span>
        </span>
      </Checkbox>
    </section>
  );
}

function WritingFields({ config, change }: { config: VmConfig; change: Change }) {
  const { checkpointPace = 'normal', compression = 'zstd' } = config;
  const pace = typeof checkpointPace === 'string' ? checkpointPace : 'steps';
  const choices: Partial<Choices<PaceWord | 'steps'>> = pace === 'steps' ? { steps: 'As in vm.json', ...PACES } : PACES;
  return (
    <div className="with-hint">
      <div className="field-pair">
        <ChoiceField
          label="Written beside the guest"
          value={pace}
          choices={choices}
          onChange={to => change({ checkpointPace: to === 'steps' ? checkpointPace : to })}
        />
        <ChoiceField label="Compressed" value={compression} choices={COMPRESSIONS} onChange={to => change({ compression: to })} />
      </div>
      <p className="hint">{PACE_HINTS[pace]}</p>
    </div>
  );
}

interface LimitProps {
  readonly value: number | undefined;
  readonly memoryMiB: number;
  readonly onChange: (mebibytes: number | undefined) => void;
}

function CopyLimitField({ value, memoryMiB, onChange }: LimitProps) {
  const usual = Math.max(1, Math.round(memoryMiB / 2));
  return (
    <div className="with-hint">
      <Checkbox className="check" isSelected={value !== undefined} onChange={on => onChange(on ? usual : undefined)}>
        <CheckMark />
        <span>
          Limit what copies of its memory take
          <span className="check-text">
            While a checkpoint is written, pages that the guest changes are copied first, and the guest is slowed before copies take more.{' '}
            {value === undefined ? `Without a limit of yours that is about half of its memory, ${usual} MiB.` : ''}
          </span>
        </span>
      </Checkbox>
      {value === undefined ? null : (
        <div className="under-check">
          <StepperField label="Copies take at most (MiB)" value={value} minValue={1} maxValue={4096} isRequired onChange={onChange} />
        </div>
      )}
    </div>
  );
}
