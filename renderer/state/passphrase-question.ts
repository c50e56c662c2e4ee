/** What cannot go on without the passphrase of encrypted checkpoints, and how it is asked for. The passphrase itself is never part of the state. */
import type { Checkpoint } from '../../main/ipc/contract.ts';
import type { VmView } from './app-state.ts';

/** A start, or a revert. */
export interface Locked {
  readonly vm: string;
  /** Undefined: a start. */
  readonly backTo?: Checkpoint | undefined;
}

export interface PassphraseQuestion extends Locked {
  readonly kind: 'passphrase';
  /** Cairn has one for this VM already, which is not that of the checkpoint. */
  readonly hasOther: boolean;
  /** Nothing is there to compare it with: it is asked for twice, because a slip would lock up every checkpoint from then on. */
  readonly isNew: boolean;
}

const CODES: ReadonlySet<string | undefined> = new Set(['PASSPHRASE_NEEDED', 'WRONG_PASSPHRASE']);

const codeOf = (error: unknown): string | undefined => (error as { code?: string }).code;

/** The host did nothing, for want of the right passphrase. */
export const lacksPassphrase = (error: unknown): boolean => CODES.has(codeOf(error));

/** `view`: of the VM; `isFresh`: its encryption has been turned on since its last start. */
export function questionOf(locked: Locked, refusal: unknown, view: VmView | undefined, isFresh: boolean): PassphraseQuestion {
  const hasOther = codeOf(refusal) === 'WRONG_PASSPHRASE';
  const isNew = !hasOther && locked.backTo === undefined && (isFresh || !standsOnMemory(view));
  return { kind: 'passphrase', ...locked, hasOther, isNew };
}

/** The host compares a start's passphrase with the checkpoint that the VM stands on; one taken while it was off is not encrypted. */
function standsOnMemory(view: VmView | undefined): boolean {
  return view?.checkpoints?.find(({ id }) => id === view.summary.current)?.running ?? false;
}
