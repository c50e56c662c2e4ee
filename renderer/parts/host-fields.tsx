/** What of this computer's the guest is given: its time and its random numbers. */
import { Checkbox } from 'react-aria-components';
import type { VmConfig } from '../../main/ipc/contract.ts';
import { CheckMark } from './check-mark.tsx';

interface HostFieldsProps {
  readonly config: VmConfig;
  readonly change: (patch: Partial<VmConfig>) => void;
}

export function HostFields({ config, change }: HostFieldsProps) {
  return (
    <section className="form-part" aria-label="From this computer">
      <h3>From this computer</h3>
      <Checkbox className="check" isSelected={config.rtc !== 'virtual'} onChange={isHost => change({ rtc: isHost ? 'host' : 'virtual' })}>
        <CheckMark />
        <span>
          Its time
          <span className="check-text">
            The guest’s battery-backed clock is right after a pause or a revert, too. Linux reads it when it starts, and by hwclock -s.
            Otherwise it goes on from where it was.
          </span>
        </span>
      </Checkbox>
      <Checkbox className="check" isSelected={config.rng ?? true} onChange={rng => change({ rng })}>
        <CheckMark />
        <span>
          Its random numbers
          <span className="check-text">By a virtio device, which the guest finds when it starts.</span>
        </span>
      </Checkbox>
    </section>
  );
}
