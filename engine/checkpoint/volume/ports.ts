/** What a checkpoint volume needs from its surroundings. */
import type { HostFile } from '../../ports/host-files.ts';
import type { Codec } from '../ports.ts';
import type { Extent } from './directory.ts';

export interface VolumeHost {
  /** The file or block device at `path`: neither truncate() nor allocate() is asked of it. */
  openRead(path: string): HostFile;
  openWrite(path: string): HostFile;
  readonly checksum: Codec['checksum'];
  readonly uses: VolumeUses;
}

/** Who uses which units, over all threads and processes of this host. A volume is named by its UUID, in hexadecimal. */
export interface VolumeUses {
  /** Does `work` while nobody else does any for this volume. Throws StorageError when somebody else takes too long. */
  exclusively<T>(volume: string, work: () => T): T;
  /** Until it is disposed of, or the thread that has it ends, however it ends. */
  hold(volume: string, use: Use): Disposable;
  /** What is held now. */
  held(volume: string): Use[];
}

export interface Use {
  readonly kind: 'read' | 'write';
  /** FOLDER/NAME of the file. */
  readonly file: string;
  readonly extents: readonly Extent[];
}
