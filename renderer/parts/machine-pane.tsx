/** The machine in the middle: its toolbar, and its consoles as tabs. */
import { Monitor, SquareTerminal } from 'lucide-react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import { useApp } from '../app-context.ts';
import type { ConsoleTab, VmView } from '../state/app-state.ts';
import { MachineToolbar } from './machine-toolbar.tsx';
import { ScreenView } from './screen-view.tsx';
import { SerialView } from './serial-view.tsx';
import { TroubleBar } from './trouble-bar.tsx';

export function MachinePane({ view }: { view: VmView }) {
  const { controller } = useApp();
  const { summary, tab } = view;
  return (
    <main className="machine" aria-label={summary.name}>
      <MachineToolbar view={view} />
      <TroubleBar view={view} />
      <Tabs
        className="console"
        selectedKey={tab}
        onSelectionChange={key => controller.dispatch({ type: 'tab', name: summary.name, tab: key as ConsoleTab })}
      >
        <TabList className="tabs" aria-label="Consoles">
          <Tab id="screen" className="tab">
            <Monitor size={14} aria-hidden /> Screen
          </Tab>
          <Tab id="serial" className="tab">
            <SquareTerminal size={14} aria-hidden /> Serial
          </Tab>
        </TabList>
        <TabPanel id="screen" className="console-panel">
          <ScreenView vm={summary} />
        </TabPanel>
        <TabPanel id="serial" className="console-panel">
          <SerialView vm={summary} />
        </TabPanel>
      </Tabs>
    </main>
  );
}
