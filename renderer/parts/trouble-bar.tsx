/** Why the host paused the machine, what to do, and the way on. Said by screen readers when it appears. */
import { Play, TriangleAlert } from 'lucide-react';
import { Button } from 'react-aria-components';
import { useApp, useCanCommand } from '../app-context.ts';
import { asSentence } from '../format.ts';
import type { VmView } from '../state/app-state.ts';

export function TroubleBar({ view }: { view: VmView }) {
  const { controller } = useApp();
  const can = useCanCommand(view);
  const { name, state, reason } = view.summary;
  if (state !== 'paused' || reason === undefined) return null;
  return (
    <div className="trouble" role="alert">
      <TriangleAlert size={20} aria-hidden />
      <div>
        <p className="trouble-title">{name} is paused: this computer’s storage refused it</p>
        <p className="trouble-text">{asSentence(reason)}</p>
        <p className="hint">Nothing is lost. Put that right, then resume.</p>
      </div>
      <Button className="button primary wide" isDisabled={!can} onPress={() => void controller.resume(name)}>
        <Play size={15} aria-hidden /> Resume
      </Button>
    </div>
  );
}
