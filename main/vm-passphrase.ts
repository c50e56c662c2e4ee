/** The passphrase of a VM's encrypted checkpoints while the VM is not off. It is in this process's memory and nowhere else. */
import { CheckpointError } from '#engine/errors/errors.ts';
import type { Bundle } from './bundle.ts';
import { isEncrypted } from './checkpoint-files.ts';
import type { Checkpoint } from './ipc/contract.ts';

export class VmPassphrase {
  private readonly bundle: Bundle;
  private readonly fallback: () => string | undefined;
  private held: string | undefined;

  /** `fallback`: what the process was started with, asked for only when there is no other. */
  constructor(bundle: Bundle, fallback: () => string | undefined) {
    this.bundle = bundle;
    this.fallback = fallback;
  }

  /** What new checkpoints are encrypted with. */
  get forTaking(): string | undefined {
    return this.bundle.config.encrypted ? this.held : undefined;
  }

  /**
   * To be called before the VM goes on `from` a checkpoint, or starts from its kernel: answers the passphrase to read and write checkpoints with, if any is needed. One passphrase serves a VM: a
   * cold start's is compared with that of the checkpoint that the VM stands on. Throws CheckpointError PASSPHRASE_NEEDED or WRONG_PASSPHRASE, and nothing has changed.
   */
  unlock(given: string | undefined, from: Checkpoint | undefined): string | undefined {
    const { bundle } = this;
    const encrypted = from === undefined ? this.standsOn() : isEncrypted(bundle.checkpointPath(from.id)) ? from.id : undefined;
    const isAsked = bundle.config.encrypted === true || (from !== undefined && encrypted !== undefined);
    if (!isAsked) return undefined;
    const passphrase = given ?? this.held ?? this.fallback();
    if (passphrase === undefined) throw this.needed(from);
    if (encrypted !== undefined) isEncrypted(bundle.checkpointPath(encrypted), passphrase);
    this.held = passphrase;
    return passphrase;
  }

  forget(): void {
    this.held = undefined;
  }

  /** The encrypted checkpoint that the VM stands on, if it can be read at all: a start from the kernel does not need it. */
  private standsOn(): string | undefined {
    const { current } = this.bundle;
    try {
      return current !== undefined && isEncrypted(this.bundle.checkpointPath(current)) ? current : undefined;
    } catch {
      return undefined;
    }
  }

  private needed(from: Checkpoint | undefined): CheckpointError {
    const { name } = this.bundle;
    const what = from === undefined ? `The checkpoints of ${name} are` : `The checkpoint ${from.id} of ${name} is`;
    return new CheckpointError(
      'PASSPHRASE_NEEDED',
      `${what} encrypted: give the passphrase with \`cairn run --name ${name} --passphrase-file FILE\`, or name its file in CAIRN_PASSPHRASE_FILE.`,
    );
  }
}
