import { useState } from 'react';
import { messageOf } from '../message-of.ts';

/** A wish that the host may refuse: why is shown where the wish was made, and what was typed is kept. */
export function useAttempt() {
  const [refusal, setRefusal] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  /** False: it was refused. */
  const attempt = async (run: () => Promise<void>): Promise<boolean> => {
    setRefusal(undefined);
    setBusy(true);
    try {
      await run();
      return true;
    } catch (error) {
      setRefusal(messageOf(error));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { refusal, isBusy, attempt, forget: () => setRefusal(undefined) };
}
