/**
 * Reads a checkpoint file that nobody vouches for. Opening checks everything but the page groups: every byte of the file belongs to exactly one
 * checksummed part, every length and place is bounded. A group is checked as it is read.
 */
import { CairnError, CheckpointError } from '../../errors/errors.ts';
import { PAGE_SIZE } from '../../memory/layout.ts';
import type { SavedDevice } from '../../machine/machine.ts';
import type { HostFile, HostFiles } from '../../ports/host-files.ts';
import { decodeState, type Fields, type StateDefinition, type FieldsType } from '../../state/state.ts';
import type { Codec } from '../ports.ts';
import { decodeGroups, type Group } from './groups.ts';
import { CODEC_RAW, COMMIT_SIZE, HEADER_SIZE, INDEX_POINTED, INDEX_STORED, SECTIONS, VERSION, type SectionName } from './layout.ts';
import { groupOf, PageIndex, slotOf } from './page-index.ts';
import {
  areDiskPointers,
  CheckpointMeta,
  damaged,
  DeviceStates,
  DiskPointers,
  FileTable,
  isCheckpointId,
  type DiskPointer,
  type PointedFile,
} from './schemas.ts';
import { commitChecksum, decodeCommit, decodeHeader, type SectionRecords } from './sections.ts';

export class CheckpointReader implements Disposable {
  readonly path: string;
  readonly sizeBytes: number;
  readonly commitChecksum: number;
  readonly meta: CheckpointMeta;
  readonly files: readonly PointedFile[];
  /** What its disks are (step 832). */
  readonly disks: readonly DiskPointer[];
  readonly groups: readonly Group[];
  readonly index: PageIndex;
  private readonly file: HostFile;
  private readonly codec: Codec;
  private readonly sections: SectionRecords;

  private constructor(file: HostFile, codec: Codec) {
    this.file = file;
    this.codec = codec;
    this.path = file.path;
    this.sizeBytes = file.size();
    if (this.sizeBytes < HEADER_SIZE + COMMIT_SIZE) throw damaged(this.path, 'it is too short to be one');
    const version = decodeHeader(this.read(0, HEADER_SIZE), codec);
    if (typeof version === 'string') throw damaged(this.path, version);
    if (version !== VERSION) {
      throw new CheckpointError(
        'CHECKPOINT_VERSION',
        `The checkpoint file ${this.path} was written by another Cairn (format ${version}; this one reads ${VERSION}). Update Cairn to use it.`,
      );
    }
    const commit = this.read(this.sizeBytes - COMMIT_SIZE, COMMIT_SIZE);
    const sections = decodeCommit(commit, this.sizeBytes, codec);
    if (typeof sections === 'string') throw damaged(this.path, sections);
    this.sections = sections;
    this.commitChecksum = commitChecksum(commit);
    this.groups = decodeGroups(this.section('groups')) ?? this.refuse('its group table is not valid');
    this.checkTiling();
    this.meta = this.parse(CheckpointMeta, 'metadata');
    if (!isCheckpointId(this.meta.id)) this.refuse('its id is not valid');
    this.files = this.parse(FileTable, 'files').files;
    if (this.files.some(({ id }) => !isCheckpointId(id) || id === this.meta.id)) this.refuse('its table of files is not valid');
    this.disks = this.parse(DiskPointers, 'disks').disks;
    if (!areDiskPointers(this.disks)) this.refuse('its disk pointers are not valid');
    this.index = PageIndex.decode(this.section('index'), this.files.length) ?? this.refuse('its page index is not valid');
    this.checkIndex();
  }

  static open(files: HostFiles, path: string, codec: Codec): CheckpointReader {
    const file = files.openRead(path);
    try {
      return new CheckpointReader(file, codec);
    } catch (error) {
      file[Symbol.dispose]();
      // What the parts say about themselves (StateError…) comes with the file's name.
      throw error instanceof CheckpointError || (error instanceof CairnError && error.code !== 'STATE')
        ? error
        : damaged(path, (error as Error).message, error);
    }
  }

  devices(): SavedDevice[] {
    try {
      return this.parse(DeviceStates, 'devices').devices;
    } catch (error) {
      throw error instanceof CheckpointError ? error : damaged(this.path, (error as Error).message, error);
    }
  }

  /** The pages of one group. */
  readGroup(index: number): Uint8Array {
    const group = this.groups[index] ?? this.refuse(`it has no page group ${index}`);
    const stored = this.read(group.offset, group.storedLength);
    if (this.codec.checksum(stored) !== group.checksum) this.refuse(`the page group ${index} does not match its checksum`);
    return this.unpack(stored, group.codec, group.pages * PAGE_SIZE, `the page group ${index}`);
  }

  hasPlace(place: number): boolean {
    const group = this.groups[groupOf(place)];
    return group !== undefined && slotOf(place) < group.pages;
  }

  /** Reads and checks every byte. */
  verify(): void {
    this.devices();
    for (let index = 0; index < this.groups.length; index++) this.readGroup(index);
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }

  private parse<F extends Fields>(schema: StateDefinition<F>, name: SectionName): FieldsType<F> {
    return schema.parse(decodeState(this.section(name), name));
  }

  private section(name: SectionName): Uint8Array {
    const record = this.sections[name];
    const stored = this.read(record.offset, record.storedLength);
    if (this.codec.checksum(stored) !== record.checksum) this.refuse(`the section “${name}” does not match its checksum`);
    return this.unpack(stored, record.codec, record.rawLength, `the section “${name}”`);
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
    const parts = [...SECTIONS.map(name => this.sections[name]), ...this.groups].toSorted(
      (a, b) => a.offset - b.offset || a.storedLength - b.storedLength,
    );
    let end = HEADER_SIZE;
    for (const part of parts) {
      if (part.offset !== end) this.refuse('its parts do not follow one another');
      end += part.storedLength;
    }
    if (end !== this.sizeBytes - COMMIT_SIZE) this.refuse('its parts do not fill it');
  }

  private checkIndex(): void {
    const { index, meta } = this;
    const counts = index.counts();
    if (Object.entries(meta.pages).some(([kind, count]) => counts[kind as keyof typeof counts] !== count))
      this.refuse('its page counts do not match its page index');
    for (let gppn = 0; gppn < index.limit; gppn++) {
      if (index.kinds[gppn] === INDEX_STORED && !this.hasPlace(index.places[gppn]!)) this.refuse(`the page ${gppn} is nowhere`);
      if (index.kinds[gppn]! >= INDEX_POINTED && this.files.length === 0) this.refuse(`the page ${gppn} is nowhere`);
    }
  }

  private refuse(what: string): never {
    throw damaged(this.path, what);
  }
}
