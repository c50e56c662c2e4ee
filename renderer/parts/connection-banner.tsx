/** Says that the host can't be reached. It floats, so that nothing moves; what was last known stays readable. */
import { CloudOff } from 'lucide-react';
import { Button } from 'react-aria-components';
import { useApp, useAppState } from '../app-context.ts';

export function ConnectionBanner() {
  const connection = useAppState(state => state.connection);
  const { reconnect } = useApp();
  if (connection !== 'lost') return null;
  return (
    <div className="banner" role="alert">
      <CloudOff size={16} aria-hidden />
      <span>
        <strong>Cairn is not answering.</strong> This is the last known state. Trying again…
      </span>
      <Button className="button small" onPress={reconnect}>
        Try now
      </Button>
    </div>
  );
}
