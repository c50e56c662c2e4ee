/** One line below: the selected machine in figures, and what goes on beside it or, else, the last pause that a checkpoint cost. */
import { useAppState } from '../app-context.ts';
import { formatMs } from '../format.ts';
import type { VmView } from '../state/app-state.ts';
import { selectedVm } from '../state/reduce.ts';
import { workOf } from '../state/work-words.ts';
import { STATE_WORDS } from './state-dot.tsx';
import { WorkLine } from './work-line.tsx';

export function StatusLine() {
  const view = useAppState(selectedVm);
  const info = useAppState(state => state.info);
  return (
    <footer className="status" aria-label="Status">
      {view ? <MachineStatus view={view} /> : null}
      <span className="spacer" />
      {info ? <span>Cairn {info.version}</span> : null}
    </footer>
  );
}

function MachineStatus({ view }: { view: VmView }) {
  const { summary: vm, checkpoints } = view;
  const last = checkpoints?.toSorted((a, b) => a.takenAt.localeCompare(b.takenAt)).at(-1);
  const works = workOf(view);
  // The reason of a pause stands above the screen.
  const reason = vm.state === 'paused' ? undefined : vm.reason;
  return (
    <>
      <span>
        {vm.name} {vm.state === 'no-answer' ? '' : 'is '}
        {STATE_WORDS[vm.state]}
        {reason ? `: ${reason}` : ''}
      </span>
      {vm.mips !== undefined && vm.state === 'running' ? (
        <span className="figure">{vm.mips.toFixed(vm.mips < 10 ? 1 : 0)} MIPS</span>
      ) : null}
      {vm.load !== undefined && vm.state === 'running' ? <span className="figure">host core {Math.round(vm.load * 100)} %</span> : null}
      <WorkLine works={works} />
      {works.length === 0 && last?.running ? <span>last checkpoint paused it for {formatMs(last.pauseMs)}</span> : null}
    </>
  );
}
