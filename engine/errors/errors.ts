/** The errors that reach a user. Each message says what happened, to which file or VM, and what to do. */
export class CairnError extends Error {
  /** Stable, for programs: never shown alone. */
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A saved state does not fit its schema or version. */
export class StateError extends CairnError {
  constructor(message: string, options?: ErrorOptions) {
    super('STATE', message, options);
  }
}

/** The host's storage failed (EIO, ENOSPC…): the VM pauses, it never dies. */
export class StorageError extends CairnError {}

/** A disk image is damaged, hostile, or of a kind that cannot be read. */
export class DiskFormatError extends CairnError {
  readonly path: string;
  /** Where in the file, in bytes; undefined when it is about the file as a whole. */
  readonly offset: number | undefined;
  constructor(code: string, path: string, problem: string, offset?: number) {
    super(code, `${path}${offset === undefined ? '' : ` (at byte ${offset})`}: ${problem}`);
    this.path = path;
    this.offset = offset;
  }
}

/** A checkpoint could not be taken, or its file is damaged. */
export class CheckpointError extends CairnError {
  /** The step of METHOD.md that failed; undefined when reading a file. */
  readonly step: number | undefined;
  constructor(code: string, message: string, options?: ErrorOptions & { step?: number }) {
    super(code, message, options);
    this.step = options?.step;
  }
}

/** The user asked for something that cannot be: shown to the user as it is. */
export class ConfigError extends CairnError {}

/** A request over IPC that does not fit the contract. */
export class IpcError extends CairnError {}

/** A bug in Cairn itself. */
export class InvariantError extends CairnError {
  constructor(message: string, options?: ErrorOptions) {
    super('INVARIANT', message, options);
  }
}

/** The words of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
