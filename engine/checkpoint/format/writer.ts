/** Writes a checkpoint file front to back; what is known last, the commit record, is what makes it one. */
import { InvariantError } from '../../errors/errors.ts';
import { PAGE_SIZE } from '../../memory/layout.ts';
import type { HostFile } from '../../ports/host-files.ts';
import { encodeState } from '../../state/state.ts';
import type { SavedDevice } from '../../machine/machine.ts';
import type { Codec, FileCipher } from '../ports.ts';
import { encodeGroups, type Group } from './groups.ts';
import { AUTHENTICATED, CODEC_RAW, CODEC_ZSTD, COMMIT_SIZE, GROUP_PAGES, SECTION_LIMIT, SECTIONS, type SectionName } from './layout.ts';
import type { PageIndex } from './page-index.ts';
import { encodeGroupNumbers, pointedGroups } from './pointed-groups.ts';
import type { CheckpointMeta, DiskPointer, PointedFile } from './schemas.ts';
import { commitChecksum, encodeCommit, encodeHeader, type SectionRecord, type SectionRecords } from './sections.ts';

export class CheckpointWriter {
  private readonly file: HostFile;
  private readonly codec: Codec;
  private readonly sections: Partial<Record<SectionName, SectionRecord>> = {};
  private readonly groups: Group[] = [];
  private readonly group = new Uint8Array(GROUP_PAGES * PAGE_SIZE);
  /** With a passphrase. */
  private readonly cipher: FileCipher | undefined;
  /** Stored sections that the authentication covers. */
  private readonly tables = new Map<SectionName, Uint8Array>();
  private groupFill = 0;
  private size = 0;

  constructor(file: HostFile, codec: Codec) {
    this.file = file;
    this.codec = codec;
    const created = codec.vault?.create();
    this.cipher = created?.cipher;
    this.append(encodeHeader(codec, created?.parameters));
  }

  get sizeBytes(): number {
    return this.size;
  }

  writeDevices(devices: readonly SavedDevice[]): void {
    this.section('devices', encodeState({ devices }));
  }

  /** Where the page will be. It is copied here, and written with its group. */
  addPage(page: Uint8Array): number {
    this.group.set(page, this.groupFill * PAGE_SIZE);
    return this.groups.length * GROUP_PAGES + this.groupFill++;
  }

  get groupIsFull(): boolean {
    return this.groupFill === GROUP_PAGES;
  }

  /** Writes the pages added since the last group. */
  flushGroup(): void {
    if (this.groupFill === 0) return;
    const { bytes: packed, codec } = this.pack(this.group.subarray(0, this.groupFill * PAGE_SIZE));
    const bytes = this.cipher?.seal(packed, this.size) ?? packed;
    this.groups.push({ offset: this.size, storedLength: bytes.length, checksum: this.codec.checksum(bytes), pages: this.groupFill, codec });
    this.append(bytes);
    this.groupFill = 0;
  }

  /** Step 832. */
  writeDisks(disks: readonly DiskPointer[]): void {
    this.section('disks', encodeState({ disks }));
  }

  /** Everything else, and the commit record, whose checksum it returns. */
  finish(meta: CheckpointMeta, files: readonly PointedFile[], index: PageIndex): number {
    if (this.groupFill > 0) throw new InvariantError('a page group was left open');
    this.section('metadata', encodeState(meta));
    this.section('files', encodeFileTable(files, index));
    this.section('groups', encodeGroups(this.groups));
    this.section('index', index.encode());
    if (SECTIONS.some(name => this.sections[name] === undefined)) throw new InvariantError('a checkpoint file lacks a section');
    const authentication = this.cipher?.authenticate(AUTHENTICATED.map(name => this.tables.get(name)!));
    const commit = encodeCommit(this.sections as SectionRecords, this.size + COMMIT_SIZE, this.codec, authentication);
    this.append(commit);
    return commitChecksum(commit);
  }

  private section(name: SectionName, raw: Uint8Array): void {
    if (raw.length > SECTION_LIMIT[name])
      throw new InvariantError(`the section “${name}” of a checkpoint is too large (${raw.length} bytes)`);
    const { bytes: packed, codec } = this.pack(raw);
    const bytes = (name === 'devices' ? this.cipher?.seal(packed, this.size) : undefined) ?? packed;
    if (name !== 'devices') this.tables.set(name, bytes);
    this.sections[name] = {
      codec,
      offset: this.size,
      storedLength: bytes.length,
      rawLength: raw.length,
      checksum: this.codec.checksum(bytes),
    };
    this.append(bytes);
  }

  private pack(raw: Uint8Array): { bytes: Uint8Array; codec: number } {
    const packed = this.codec.compress(raw);
    return packed.length < raw.length ? { bytes: packed, codec: CODEC_ZSTD } : { bytes: raw, codec: CODEC_RAW };
  }

  private append(bytes: Uint8Array): void {
    this.file.write(bytes, this.size);
    this.size += bytes.length;
  }
}

/** With the groups that are pointed to, where there is room for them. */
function encodeFileTable(files: readonly PointedFile[], index: PageIndex): Uint8Array {
  const groups = pointedGroups(index, files.length).map(encodeGroupNumbers);
  const table = encodeState({ files: files.map((file, number) => ({ ...file, groups: groups[number]! })) });
  return table.length <= SECTION_LIMIT.files ? table : encodeState({ files });
}
