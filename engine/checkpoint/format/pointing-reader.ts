/** Reads which earlier files a checkpoint points into (§137), without its page index: what eliminating checkpoints asks of each that is left. */
import type { HostFile, HostFiles } from '../../ports/host-files.ts';
import type { Codec } from '../ports.ts';
import { opening, PagesReader } from './pages-reader.ts';
import { decodeGroupNumbers } from './pointed-groups.ts';
import { FileTable, isCheckpointId, type PointedFile } from './schemas.ts';

/** So few ids are looked for in the bytes sooner than the table is decoded. */
const FEW = 8;

export class PointingReader extends PagesReader {
  readonly files: readonly PointedFile[];
  /** For each of `files` the groups that are pointed to there; undefined when the file does not say. */
  readonly neededGroups: readonly (ReadonlySet<number> | undefined)[];

  /** `only`: the files that are asked about; a table in which none of them occurs is not gone through. */
  protected constructor(file: HostFile, codec: Codec, only?: ReadonlySet<string>) {
    super(file, codec);
    if (only !== undefined && only.size <= FEW && !mentions(this.section('files'), only)) {
      this.files = [];
      this.neededGroups = [];
      return;
    }
    const table = this.parse(FileTable, 'files').files;
    this.files = table.map(({ id, sizeBytes, commitChecksum }) => ({ id, sizeBytes, commitChecksum }));
    this.neededGroups = table.map(({ groups }) =>
      groups === undefined ? undefined : (decodeGroupNumbers(groups) ?? this.refuse('its table of files names no groups that there are')),
    );
    if (this.files.some(({ id }) => !isCheckpointId(id) || id === this.meta.id)) this.refuse('its table of files is not valid');
  }

  /** With `only`, `files` may lack all others. */
  static openPointing(files: HostFiles, path: string, codec: Codec, only?: ReadonlySet<string>): PointingReader {
    return opening(files, path, file => new PointingReader(file, codec, only));
  }
}

/** Whether one of the ids is in the bytes: an id is stored as its letters. */
function mentions(bytes: Uint8Array, ids: ReadonlySet<string>): boolean {
  return [...ids].some(id => {
    const last = id.length - 1;
    const isAt = (start: number) => {
      let n = last;
      while (n >= 0 && bytes[start + n] === id.charCodeAt(n)) n--;
      return n < 0;
    };
    // Ids of one time begin alike: they are looked for by how they end.
    for (let at = bytes.indexOf(id.charCodeAt(last)); at >= 0; at = bytes.indexOf(id.charCodeAt(last), at + 1))
      if (isAt(at - last)) return true;
    return false;
  });
}
