/** Which disk files checkpoints leave, and what each way costs (METHOD.md's second, third and first implementation). */
import type { CheckpointMode } from '../../main/ipc/contract.ts';
import { RadioCards, type Card } from './radio-cards.tsx';

const MODES: readonly Card<CheckpointMode>[] = [
  {
    value: 'chain',
    title: 'Chain of changes',
    text: 'Nothing is copied. Each checkpoint adds a file to the disk’s chain, which is kept short in the background.',
  },
  {
    value: 'copy',
    title: 'Short chain, copies aside',
    text: 'The disk stays fast, however many checkpoints there are. The first costs a copy of the disk, each one after it a copy of what has changed.',
  },
  {
    value: 'full-copy',
    title: 'Full copies',
    text: 'Each checkpoint has a complete disk image. Each costs the time and the room of a whole disk.',
  },
];

export function CheckpointModeField(props: { value: CheckpointMode; onChange: (mode: CheckpointMode) => void }) {
  return <RadioCards label="What checkpoints keep of the disks" cards={MODES} {...props} />;
}
