/** The window: VMs on the left, the machine in the middle, its checkpoints on the right, one line of status below. */
import { useAppState } from '../app-context.ts';
import { selectedVm } from '../state/reduce.ts';
import { ConnectionBanner } from './connection-banner.tsx';
import { Dialogs } from './dialogs.tsx';
import { EmptyLibrary } from './empty-library.tsx';
import { MachinePane } from './machine-pane.tsx';
import { Notices } from './notices.tsx';
import { SnapshotPane } from './snapshot-pane.tsx';
import { StatusLine } from './status-line.tsx';
import { VmSidebar } from './vm-sidebar.tsx';

export function AppWindow() {
  const view = useAppState(selectedVm);
  const loaded = useAppState(state => state.loaded);
  return (
    <div className="window">
      <ConnectionBanner />
      <div className="columns">
        <VmSidebar />
        {view ? (
          <>
            <MachinePane key={`machine ${view.summary.name}`} view={view} />
            <SnapshotPane key={`tree ${view.summary.name}`} view={view} />
          </>
        ) : (
          <main className="machine">{loaded ? <EmptyLibrary /> : null}</main>
        )}
      </div>
      <StatusLine />
      <Notices />
      <Dialogs />
    </div>
  );
}
