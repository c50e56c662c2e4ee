/** One line below: the selected machine in figures, and the last pause that a checkpoint cost. */
import { useAppState } from '../app-context.ts';
import { formatMs } from '../format.ts';
import { selectedVm } from '../state/reduce.ts';
import { STATE_WORDS } from './state-dot.tsx';

export function StatusLine() {
  const view = useAppState(selectedVm);
  const info = useAppState(state => state.info);
  const last = view?.checkpoints?.toSorted((a, b) => a.takenAt.localeCompare(b.takenAt)).at(-1);
  const vm = view?.summary;
  return (
    <footer className="status" aria-label="Status">
      {vm ? (
        <>
          <span>
            {vm.name} is {STATE_WORDS[vm.state]}
            {vm.reason ? `: ${vm.reason}` : ''}
          </span>
          {vm.mips !== undefined && vm.state === 'running' ? (
            <span className="figure">{vm.mips.toFixed(vm.mips < 10 ? 1 : 0)} MIPS</span>
          ) : null}
          {vm.load !== undefined && vm.state === 'running' ? <span className="figure">host core {Math.round(vm.load * 100)} %</span> : null}
          {last?.running ? <span>last checkpoint paused it for {formatMs(last.pauseMs)}</span> : null}
        </>
      ) : null}
      <span className="spacer" />
      {info ? <span>Cairn {info.version}</span> : null}
    </footer>
  );
}
