/** Reads which earlier files a checkpoint points into (§137), without its page index: what eliminating checkpoints asks of each that is left. */
import type { HostFile, HostFiles } from '../../ports/host-files.ts';
import type { Codec } from '../ports.ts';
import { opening, PagesReader } from './pages-reader.ts';
import { decodeGroupNumbers } from './pointed-groups.ts';
import { FileTable, isCheckpointId, type PointedFile } from './schemas.ts';

export class PointingReader extends PagesReader {
  readonly files: readonly PointedFile[];
  /** For each of `files` the groups that are pointed to there; undefined when the file does not say. */
  readonly neededGroups: readonly (ReadonlySet<number> | undefined)[];

  protected constructor(file: HostFile, codec: Codec) {
    super(file, codec);
    const table = this.parse(FileTable, 'files').files;
    this.files = table.map(({ id, sizeBytes, commitChecksum }) => ({ id, sizeBytes, commitChecksum }));
    this.neededGroups = table.map(({ groups }) =>
      groups === undefined ? undefined : (decodeGroupNumbers(groups) ?? this.refuse('its table of files names no groups that there are')),
    );
    if (this.files.some(({ id }) => !isCheckpointId(id) || id === this.meta.id)) this.refuse('its table of files is not valid');
  }

  static openPointing(files: HostFiles, path: string, codec: Codec): PointingReader {
    return opening(files, path, file => new PointingReader(file, codec));
  }
}
