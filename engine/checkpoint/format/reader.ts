/** Reads a whole checkpoint file that nobody vouches for. Opening checks everything but the device state and the page groups, which are checked as they are read. */
import { CheckpointError } from '../../errors/errors.ts';
import type { SavedDevice } from '../../machine/machine.ts';
import type { HostFile, HostFiles } from '../../ports/host-files.ts';
import type { Codec } from '../ports.ts';
import { AUTHENTICATED, INDEX_STORED } from './layout.ts';
import { PageIndex, type KnownIndex } from './page-index.ts';
import { opening } from './pages-reader.ts';
import { pointedGroups } from './pointed-groups.ts';
import { PointingReader } from './pointing-reader.ts';
import { areDiskPointers, damaged, DeviceStates, DiskPointers, type DiskPointer } from './schemas.ts';

export class CheckpointReader extends PointingReader {
  /** What its disks are (step 832). */
  readonly disks: readonly DiskPointer[];
  readonly index: PageIndex;

  private constructor(file: HostFile, codec: Codec, known?: KnownIndex) {
    super(file, codec);
    this.disks = this.parse(DiskPointers, 'disks').disks;
    if (!areDiskPointers(this.disks)) this.refuse('its disk pointers are not valid');
    this.index = this.isOf(known) ? new PageIndex(known.kinds.length, known.kinds, known.places) : this.readIndex();
    this.checkAuthentication();
  }

  /** `known`: the page index of this file or another, which is not read again if it is of this one. */
  static open(files: HostFiles, path: string, codec: Codec, known?: KnownIndex): CheckpointReader {
    return opening(files, path, file => new CheckpointReader(file, codec, known));
  }

  /** For who opens the file again. */
  get known(): KnownIndex {
    const { commitChecksum, index, meta } = this;
    return { id: meta.id, commitChecksum, kinds: index.kinds, places: index.places };
  }

  /** Whether it is the index of this file. */
  isOf(known: KnownIndex | undefined): known is KnownIndex {
    return known?.commitChecksum === this.commitChecksum && known.id === this.meta.id;
  }

  devices(): SavedDevice[] {
    try {
      return this.parse(DeviceStates, 'devices').devices;
    } catch (error) {
      throw error instanceof CheckpointError ? error : damaged(this.path, (error as Error).message, error);
    }
  }

  verify(): void {
    for (const _ of this.verifying());
  }

  /** Reads and checks every byte, going on a step with each group; of a locked file only that it is what was written. */
  *verifying(): Generator<void> {
    if (this.isLocked) this.intactSection('devices');
    else this.devices();
    this.checkNeededGroups();
    for (let index = 0; index < this.groups.length; index++) {
      this.checkGroup(index);
      yield;
    }
  }

  /** Its tables are in the clear: nobody without the passphrase may have changed them. */
  private checkAuthentication(): void {
    const expected = this.cipher?.authenticate(AUTHENTICATED.map(name => this.storedSection(name)));
    if (expected?.some((byte, at) => byte !== this.authentication[at])) this.refuse('its tables are not those that were written with it');
  }

  private checkNeededGroups(): void {
    const isWrong = pointedGroups(this.index, this.files.length).some((pointed, file) => {
      const named = this.neededGroups[file];
      return named !== undefined && (named.size !== pointed.size || ![...pointed].every(group => named.has(group)));
    });
    if (isWrong) this.refuse('its table of files does not name the groups that its page index points to');
  }

  private readIndex(): PageIndex {
    const index = PageIndex.decode(this.section('index'), this.files.length) ?? this.refuse('its page index is not valid');
    const { counts } = index;
    if (Object.entries(this.meta.pages).some(([kind, count]) => counts[kind as keyof typeof counts] !== count))
      this.refuse('its page counts do not match its page index');
    const misplaced = index.findMisplaced(INDEX_STORED, [this.groupPages()]);
    if (misplaced !== undefined) this.refuse(`the page ${misplaced} is nowhere`);
    return index;
  }
}
