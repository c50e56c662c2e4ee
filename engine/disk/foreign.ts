/**
 * Images of other programs: read, to be imported, and never written. A format says where the bytes of its blocks are (BlockMap); the rest of a Layer is
 * the same for all of them.
 */
import { ConfigError, InvariantError } from '../errors/errors.ts';
import { checkRange, type DiskFormat, type Extent, type ExtentKind, type Layer } from './block.ts';

/** What a block is from some offset to its end. */
export interface Place {
  readonly kind: ExtentKind;
  readonly length: number;
  /** Of data: reads from that offset on, at most `length` bytes. */
  readonly read?: (into: Uint8Array) => void;
}

export interface BlockMap extends Disposable {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  /** The image was not closed properly, and what its log says is read as if it were in place. */
  readonly logReplayed?: boolean;
  locate(offset: number): Place;
  /**
   * Throws DiskFormatError when something that the tables name is not in the file: it was cut. `thorough`: reads what only reading can tell, too.
   */
  checkWhole(thorough: boolean): void;
}

export type ForeignFormat = Exclude<DiskFormat, 'raw' | 'qcow2'>;

export class ForeignImage implements Layer {
  readonly path: string;
  readonly format: ForeignFormat;
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly writable = false;
  readonly parent = undefined;
  /** As BlockMap's. */
  readonly logReplayed: boolean;
  private readonly map: BlockMap;

  constructor(path: string, format: ForeignFormat, map: BlockMap) {
    this.path = path;
    this.format = format;
    this.map = map;
    this.sizeBytes = map.sizeBytes;
    this.clusterBytes = map.blockBytes;
    this.logReplayed = map.logReplayed ?? false;
  }

  /** As BlockMap's. */
  checkWhole(thorough: boolean): void {
    this.map.checkWhole(thorough);
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length);
    for (let done = 0; done < into.length;) {
      const place = this.map.locate(offset + done);
      const part = into.subarray(done, done + place.length);
      if (place.read === undefined) part.fill(0);
      else place.read(part);
      done += part.length;
    }
  }

  status(offset: number, length: number): Extent {
    checkRange(this, offset, length);
    const { kind, length: first } = length === 0 ? { kind: 'hole' as const, length: 0 } : this.map.locate(offset);
    let known = Math.min(first, length);
    while (known < length) {
      const next = this.map.locate(offset + known);
      if (next.kind !== kind) break;
      known = Math.min(length, known + next.length);
    }
    return { offset, length: known, kind };
  }

  write(): never {
    throw this.neverWritten();
  }

  writeZeroes(): never {
    throw this.neverWritten();
  }

  discard(): never {
    throw this.neverWritten();
  }

  flush(): void {}

  resize(): never {
    throw new ConfigError('DISK_READ_ONLY_FORMAT', readOnlyFormat(this.path, this.format));
  }

  setWritable(writable: boolean): void {
    if (writable) throw new ConfigError('DISK_READ_ONLY_FORMAT', readOnlyFormat(this.path, this.format));
  }

  [Symbol.dispose](): void {
    this.map[Symbol.dispose]();
  }

  private neverWritten(): InvariantError {
    return new InvariantError(`${this.path} is open for reading only.`);
  }
}

export function readOnlyFormat(path: string, format: ForeignFormat): string {
  return `${path} is a ${format} image, which Cairn reads and never writes: convert it (\`cairn disk convert\`) and use the copy.`;
}
