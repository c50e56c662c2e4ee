/**
 * The checksum of a layer: of what its own file says, whatever lies where in it. It is made after the layer is sealed, and removed before a merge changes
 * the file. `disk0.<layer id>.sum` is JSON: { version: 1, layer, checksum }. With c = 0 at first, for each extent of data or zeroes, in pieces of at most
 * 1 MiB: c = CRC-32 of (c, offset, length, kind, data), the first four little-endian in 4, 8, 4 and 1 bytes, kind 1 data and 2 zeroes without data.
 */
import { ConfigError } from '../../errors/errors.ts';
import type { Layer } from '../block.ts';
import { decodeUtf8, encodeUtf8 } from '../utf8.ts';
import type { LayerId } from './descriptor.ts';
import type { DiskFolder } from './disk-folder.ts';
import type { DiskJob, JobProgress } from './job.ts';
import type { VirtualDiskFiles } from './virtual-disk-files.ts';

const PIECE = 1 << 20;
const HEAD = 17;
const MAX_BYTES = 4096;

export class LayerSum {
  private readonly layer: Layer;
  private readonly checksum: (bytes: Uint8Array) => number;
  private readonly buffer = new Uint8Array(HEAD + PIECE);
  private readonly view = new DataView(this.buffer.buffer);
  position = 0;
  private sum = 0;

  constructor(layer: Layer, checksum: (bytes: Uint8Array) => number) {
    this.layer = layer;
    this.checksum = checksum;
  }

  /** Reads about `bytes`; the checksum when all was read. */
  step(bytes: number): number | undefined {
    const { sizeBytes } = this.layer;
    for (let left = bytes; left > 0 && this.position < sizeBytes;) {
      const { kind, length } = this.layer.status(this.position, sizeBytes - this.position);
      if (kind === 'hole') this.position += length;
      else left -= this.extent(kind, length);
    }
    return this.position < sizeBytes ? undefined : this.sum;
  }

  /** A whole extent: where a step ends must not show. Answers how many bytes were read. */
  private extent(kind: 'data' | 'zero', length: number): number {
    const end = this.position + length;
    while (this.position < end) {
      const piece = kind === 'data' ? Math.min(PIECE, end - this.position) : end - this.position;
      this.view.setUint32(0, this.sum, true);
      this.view.setBigUint64(4, BigInt(this.position), true);
      this.view.setUint32(12, piece >>> 0, true);
      this.view.setUint8(16, kind === 'data' ? 1 : 2);
      const data = kind === 'data' ? piece : 0;
      if (data > 0) this.layer.read(this.position, this.buffer.subarray(HEAD, HEAD + data));
      this.sum = this.checksum(this.buffer.subarray(0, HEAD + data));
      this.position += piece;
    }
    return kind === 'data' ? length : 0;
  }
}

/** undefined: it has not been made yet. */
export function readSum(folder: DiskFolder, id: LayerId): number | undefined {
  const path = folder.sumPath(id);
  if (!folder.host.files.exists(path)) return undefined;
  using file = folder.host.files.openRead(path);
  const bytes = new Uint8Array(Math.min(file.size(), MAX_BYTES));
  file.read(bytes, 0);
  try {
    const raw = JSON.parse(decodeUtf8(bytes)) as { version?: unknown; layer?: unknown; checksum?: unknown };
    if (raw.version === 1 && raw.layer === id && Number.isSafeInteger(raw.checksum)) return raw.checksum as number;
  } catch {
    // Told below.
  }
  throw new ConfigError('DISK_SUM', `${path} is no layer’s checksum. Delete it: another is made.`);
}

function writeSum(folder: DiskFolder, id: LayerId, checksum: number): void {
  const { files } = folder.host;
  const path = folder.sumPath(id);
  files.remove(`${path}.new`);
  {
    using file = files.createExclusive(`${path}.new`);
    file.write(encodeUtf8(`${JSON.stringify({ version: 1, layer: id, checksum })}\n`), 0);
    file.sync();
  }
  files.rename(`${path}.new`, path);
  files.syncFolder(folder.folder);
}

/** Makes the checksum of a sealed layer. */
export class SumJob implements DiskJob {
  private readonly folder: DiskFolder;
  private readonly id: LayerId;
  private readonly layer: Layer;
  private readonly sum: LayerSum;

  constructor(disk: VirtualDiskFiles, id: LayerId) {
    this.folder = disk.folder;
    this.id = id;
    this.layer = disk.layers.open(id);
    this.sum = new LayerSum(this.layer, disk.folder.host.checksum);
  }

  get progress(): JobProgress {
    return { doneBytes: this.sum.position, totalBytes: this.layer.sizeBytes };
  }

  step(bytes: number): boolean {
    const checksum = this.sum.step(bytes);
    if (checksum === undefined) return false;
    writeSum(this.folder, this.id, checksum);
    return true;
  }

  [Symbol.dispose](): void {}
}
