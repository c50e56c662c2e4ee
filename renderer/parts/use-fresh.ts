import { useEffect, useState } from 'react';
import { useApp } from '../app-context.ts';

/**
 * For a dialog that edits what the host has: false until that has come, for another process may have changed it. The dialog closes when it does not come.
 * A VM that is still to be made has nothing to wait for.
 */
export function useFresh(vm: string | undefined, load: 'loadDetail' | 'loadPolicy'): boolean {
  const { controller } = useApp();
  const [isFresh, setFresh] = useState(vm === undefined);
  useEffect(() => {
    if (vm === undefined) return;
    void controller[load](vm).then(isThere => {
      if (isThere) setFresh(true);
      else controller.dispatch({ type: 'dialog', dialog: undefined });
    });
  }, [controller, vm, load]);
  return isFresh;
}
