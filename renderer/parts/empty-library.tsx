/** The first thing a new user sees when there is no VM: what to do. */
import { Plus } from 'lucide-react';
import { Button } from 'react-aria-components';
import { useApp, useAppState } from '../app-context.ts';
import { CairnMark } from './cairn-mark.tsx';

export function EmptyLibrary() {
  const { controller } = useApp();
  const info = useAppState(state => state.info);
  return (
    <section className="empty">
      <CairnMark size={72} />
      <h1>A computer with an undo button</h1>
      <p>Make a virtual machine from a Linux kernel, take checkpoints while it runs, and walk back to any of them.</p>
      <Button className="button primary" onPress={() => controller.dispatch({ type: 'dialog', dialog: { kind: 'new-vm' } })}>
        <Plus size={16} aria-hidden /> New virtual machine…
      </Button>
      {info?.demoMissing ? <p className="hint">{info.demoMissing}</p> : null}
      {info ? (
        <p className="hint">
          Your machines are kept in <code>{info.libraryPath}</code>
        </p>
      ) : null}
    </section>
  );
}
