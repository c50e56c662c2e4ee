/**
 * The part of a checkpoint file that others point into: its frame (header, commit record, group table, metadata) and its page groups. It is all that is left in
 * `ID.pages` of an eliminated checkpoint. The file is untrusted: opening checks every length and place, so that no byte escapes the checksums.
 */
import { CairnError, CheckpointError } from '../../errors/errors.ts';
import { PAGE_SIZE } from '../../memory/layout.ts';
import type { HostFile, HostFiles } from '../../ports/host-files.ts';
import { decodeState, type Fields, type FieldsType, type StateDefinition } from '../../state/state.ts';
import type { Codec, FileCipher } from '../ports.ts';
import { decodeGroups, type Group } from './groups.ts';
import {
  AUTHENTICATION,
  AUTHENTICATION_AT,
  CIPHER_OVERHEAD,
  CODEC_RAW,
  COMMIT_SIZE,
  HEADER_SIZE,
  KEY_PARAMETERS,
  KEY_PARAMETERS_AT,
  SECTIONS,
  VERSION,
  VERSION_ENCRYPTED,
  type SectionName,
} from './layout.ts';
import { CheckpointMeta, damaged, isCheckpointId } from './schemas.ts';
import { commitChecksum, decodeCommit, decodeHeader, type SectionRecords } from './sections.ts';

/** A present group shows it in its first bytes, but for one that is stored raw and begins with zeroes. */
const GLANCE = 16;

export class PagesReader implements Disposable {
  readonly path: string;
  readonly sizeBytes: number;
  readonly commitChecksum: number;
  readonly meta: CheckpointMeta;
  readonly groups: readonly Group[];
  /** Its devices and pages can be read only with the passphrase. */
  readonly isEncrypted: boolean;
  protected readonly authentication: Uint8Array;
  /** Undefined for a plain file, and when no passphrase was given. */
  protected readonly cipher: FileCipher | undefined;
  protected readonly sections: SectionRecords;
  private readonly file: HostFile;
  private readonly codec: Codec;

  protected constructor(file: HostFile, codec: Codec) {
    this.file = file;
    this.codec = codec;
    this.path = file.path;
    this.sizeBytes = file.size();
    if (this.sizeBytes < HEADER_SIZE + COMMIT_SIZE) throw damaged(this.path, 'it is too short to be one');
    const header = this.read(0, HEADER_SIZE);
    const version = decodeHeader(header, codec);
    if (typeof version === 'string') throw damaged(this.path, version);
    if (version !== VERSION && version !== VERSION_ENCRYPTED) {
      throw new CheckpointError(
        'CHECKPOINT_VERSION',
        `The checkpoint file ${this.path} was written by another Cairn (format ${version}; this one reads up to ${VERSION_ENCRYPTED}). Update Cairn to use it.`,
      );
    }
    this.isEncrypted = version === VERSION_ENCRYPTED;
    if (this.isEncrypted) this.cipher = this.unlock(header.slice(KEY_PARAMETERS_AT, KEY_PARAMETERS_AT + KEY_PARAMETERS));
    const commit = this.read(this.sizeBytes - COMMIT_SIZE, COMMIT_SIZE);
    const sections = decodeCommit(commit, this.sizeBytes, codec, this.isEncrypted);
    if (typeof sections === 'string') throw damaged(this.path, sections);
    this.sections = sections;
    this.commitChecksum = commitChecksum(commit);
    this.authentication = commit.slice(AUTHENTICATION_AT, AUTHENTICATION_AT + AUTHENTICATION);
    this.groups =
      decodeGroups(this.section('groups'), this.isEncrypted ? CIPHER_OVERHEAD : 0) ?? this.refuse('its group table is not valid');
    this.checkTiling();
    this.meta = this.parse(CheckpointMeta, 'metadata');
    if (!isCheckpointId(this.meta.id)) this.refuse('its id is not valid');
  }

  /** Opens a whole checkpoint file or what is left of one. */
  static openPages(files: HostFiles, path: string, codec: Codec): PagesReader {
    return opening(files, path, file => new PagesReader(file, codec));
  }

  /** It is encrypted, and no passphrase was given: its tables can be read, its devices and pages cannot. */
  get isLocked(): boolean {
    return this.isEncrypted && this.cipher === undefined;
  }

  /** The pages of one group. */
  readGroup(index: number): Uint8Array {
    const group = this.group(index);
    const stored = this.readIntact(index);
    const what = `the page group ${index}`;
    return this.unpack(this.unseal(stored, group.offset, what), group.codec, group.pages * PAGE_SIZE, what);
  }

  /** Reads and checks a group; of a locked file only that it is what was written. */
  checkGroup(index: number): void {
    if (this.isLocked) this.readIntact(index);
    else this.readGroup(index);
  }

  /** A group as it lies in the file, unchecked. */
  readStored(index: number): Uint8Array {
    const { offset, storedLength } = this.group(index);
    return this.read(offset, storedLength);
  }

  /** False when the group is a hole: nothing pointed to it when the checkpoint was eliminated. */
  hasGroup(index: number): boolean {
    const { offset, storedLength } = this.group(index);
    const isNoise = (byte: number) => byte !== 0;
    return this.read(offset, Math.min(GLANCE, storedLength)).some(isNoise) || this.readStored(index).some(isNoise);
  }

  /** How many pages each group has. */
  groupPages(): Uint8Array {
    return Uint8Array.from(this.groups, group => group.pages);
  }

  /** What makes the file one that others can be read from, as it lies there: [position, bytes]. The commit record comes last. */
  frame(): [number, Uint8Array][] {
    const parts = [this.sections.metadata, this.sections.groups].map(({ offset, storedLength }): [number, number] => [
      offset,
      storedLength,
    ]);
    const places = [[0, HEADER_SIZE] as const, ...parts, [this.sizeBytes - COMMIT_SIZE, COMMIT_SIZE] as const];
    return places.map(([at, length]) => [at, this.read(at, length)]);
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }

  protected parse<F extends Fields>(schema: StateDefinition<F>, name: SectionName): FieldsType<F> {
    return schema.parse(decodeState(this.section(name), name));
  }

  protected section(name: SectionName): Uint8Array {
    const record = this.sections[name];
    const stored = this.intactSection(name);
    const what = `the section “${name}”`;
    const packed = name === 'devices' ? this.unseal(stored, record.offset, what) : stored;
    return this.unpack(packed, record.codec, record.rawLength, what);
  }

  /** A section as it lies in the file, and as it was written. */
  protected intactSection(name: SectionName): Uint8Array {
    const stored = this.storedSection(name);
    if (this.codec.checksum(stored) !== this.sections[name].checksum) this.refuse(`the section “${name}” does not match its checksum`);
    return stored;
  }

  /** A section as it lies in the file. */
  protected storedSection(name: SectionName): Uint8Array {
    return this.read(this.sections[name].offset, this.sections[name].storedLength);
  }

  protected refuse(what: string): never {
    throw damaged(this.path, what);
  }

  private unlock(parameters: Uint8Array): FileCipher | undefined {
    if (this.codec.vault === undefined) return undefined;
    const cipher = this.codec.vault.open(parameters);
    if (cipher === undefined)
      throw new CheckpointError('WRONG_PASSPHRASE', `The passphrase is not that of the checkpoint file ${this.path}: give the right one.`);
    return cipher;
  }

  private unseal(stored: Uint8Array, position: number, what: string): Uint8Array {
    if (!this.isEncrypted) return stored;
    if (this.cipher === undefined)
      throw new CheckpointError('PASSPHRASE_NEEDED', `The checkpoint file ${this.path} is encrypted: give its passphrase.`);
    try {
      return this.cipher.unseal(stored, position);
    } catch (cause) {
      throw damaged(this.path, `${what} is not what was encrypted`, cause);
    }
  }

  private readIntact(index: number): Uint8Array {
    const stored = this.readStored(index);
    if (this.codec.checksum(stored) !== this.group(index).checksum) this.refuse(`the page group ${index} does not match its checksum`);
    return stored;
  }

  private group(index: number): Group {
    return this.groups[index] ?? this.refuse(`it has no page group ${index}`);
  }

  private unpack(stored: Uint8Array, codec: number, rawLength: number, what: string): Uint8Array {
    if (codec === CODEC_RAW) return stored;
    try {
      return this.codec.decompress(stored, rawLength);
    } catch (cause) {
      throw damaged(this.path, `${what} cannot be decompressed`, cause);
    }
  }

  private read(position: number, length: number): Uint8Array {
    if (position + length > this.sizeBytes) this.refuse('a part of it lies outside of it');
    const bytes = new Uint8Array(length);
    if (this.file.read(bytes, position) !== length) this.refuse('it was cut off');
    return bytes;
  }

  /** No gap, no overlap: so no byte escapes the checksums. */
  private checkTiling(): void {
    const sections = SECTIONS.map(name => this.sections[name]).toSorted((a, b) => a.offset - b.offset || a.storedLength - b.storedLength);
    let end = HEADER_SIZE;
    let group = 0;
    for (;;) {
      const next = this.groups[group];
      const part = next?.offset === end ? next : sections.shift();
      if (part === next) group++;
      if (part === undefined) break;
      if (part.offset !== end) this.refuse('its parts do not follow one another');
      end += part.storedLength;
    }
    if (group < this.groups.length) this.refuse('its parts do not follow one another');
    if (end !== this.sizeBytes - COMMIT_SIZE) this.refuse('its parts do not fill it');
  }
}

/** The file is closed again when `read` refuses it, and what its parts say about themselves (StateError…) comes with its name. */
export function opening<T>(files: HostFiles, path: string, read: (file: HostFile) => T): T {
  const file = files.openRead(path);
  try {
    return read(file);
  } catch (error) {
    file[Symbol.dispose]();
    throw error instanceof CheckpointError || (error instanceof CairnError && error.code !== 'STATE')
      ? error
      : damaged(path, (error as Error).message, error);
  }
}
