/** A new VM from a checkpoint: its disks lie on this VM's, or are copies. */
import { useState } from 'react';
import type { Checkpoint } from '../../main/ipc/contract.ts';
import { useApp, useAppState } from '../app-context.ts';
import { formatBytes } from '../format.ts';
import { NameDialog } from './name-dialog.tsx';
import { RadioCards } from './radio-cards.tsx';

export function CloneDialog({ vm, checkpoint }: { vm: string; checkpoint: Checkpoint }) {
  const { controller } = useApp();
  const vms = useAppState(state => state.vms);
  const [how, setHow] = useState<'linked' | 'full'>('linked');
  const bytes = checkpoint.disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const disks = checkpoint.disks.length === 1 ? 'Its disk' : 'Its disks';
  return (
    <NameDialog
      heading="Clone into a new machine"
      text={`The new machine starts from “${checkpoint.title}”. ${vm} is not touched.`}
      label="Name of the new machine"
      initial={freeName(vm, Object.keys(vms))}
      verb="Clone"
      run={as => controller.clone(vm, checkpoint.id, as, how === 'full')}
    >
      {checkpoint.disks.length === 0 ? null : (
        <RadioCards
          label={disks}
          value={how}
          onChange={setHow}
          cards={[
            {
              value: 'linked',
              title: 'Linked',
              text: `There at once and hardly any room taken. It needs the disk files of ${vm}, which keeps them: ${vm} must stay.`,
            },
            {
              value: 'full',
              title: 'Full copy',
              text: `It needs nothing of ${vm}. Costs the time and the room of a copy: up to ${formatBytes(bytes)}.`,
            },
          ]}
        />
      )}
    </NameDialog>
  );
}

function freeName(base: string, taken: readonly string[]): string {
  for (let number = 2; ; number++) {
    const name = `${base} ${number}`;
    if (!taken.includes(name)) return name;
  }
}
