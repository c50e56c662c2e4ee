/** Compressed clusters: read only. A few are kept decompressed, because guests read less than a cluster at once. */
import { DiskFormatError, messageOf } from '../../errors/errors.ts';
import type { Decompressor } from '../../ports/decompressor.ts';
import type { HostFile } from '../../ports/host-files.ts';
import type { Cluster } from './l2.ts';
import { zstdFrameBytes } from './zstd-frame.ts';

const KEPT = 8;
/** QEMU makes one, as a rule. */
const MOST_FRAMES = 64;

export class CompressedClusters {
  private readonly codec: Decompressor;
  private readonly compression: 'zlib' | 'zstd';
  private readonly clusterBytes: number;
  private readonly kept = new Map<number, Uint8Array>();

  constructor(codec: Decompressor, compression: 'zlib' | 'zstd', clusterBytes: number) {
    this.codec = codec;
    this.compression = compression;
    this.clusterBytes = clusterBytes;
  }

  read(file: HostFile, cluster: Cluster): Uint8Array {
    const kept = this.kept.get(cluster.hostOffset);
    if (kept !== undefined) return kept;
    const packed = new Uint8Array(cluster.compressedBytes); // at most a cluster and two sectors
    const bytes = this.decompress(file, packed.subarray(0, file.read(packed, cluster.hostOffset)), cluster.hostOffset);
    if (this.kept.size === KEPT) this.kept.delete(this.kept.keys().next().value!);
    this.kept.set(cluster.hostOffset, bytes);
    return bytes;
  }

  /** A place in the file gets other contents. */
  forget(): void {
    this.kept.clear();
  }

  private decompress(file: HostFile, packed: Uint8Array, offset: number): Uint8Array {
    try {
      if (this.compression === 'zlib') return this.exact(this.codec.inflateRaw(packed, this.clusterBytes));
      return this.decompressFrames(packed);
    } catch (cause) {
      const reason = messageOf(cause);
      throw new DiskFormatError('DISK_FORMAT', file.path, `a compressed cluster cannot be read (${reason}). The image is damaged.`, offset);
    }
  }

  /** QEMU may make a cluster of several frames. */
  private decompressFrames(packed: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(this.clusterBytes);
    let done = 0;
    for (let at = 0, frames = 1; done < bytes.length; frames++) {
      // Thousands of frames of a byte or none would take minutes.
      if (frames > MOST_FRAMES) throw new RangeError(`it has more than ${MOST_FRAMES} parts`);
      const length = zstdFrameBytes(packed.subarray(at));
      if (length === undefined) throw new RangeError('it ends too early');
      const part = this.codec.zstd(packed.subarray(at, at + length), bytes.length - done);
      if (part.length > bytes.length - done) throw new RangeError('it is longer than a cluster');
      bytes.set(part, done);
      done += part.length;
      at += length;
    }
    return bytes;
  }

  private exact(bytes: Uint8Array): Uint8Array {
    if (bytes.length !== this.clusterBytes) throw new RangeError(`${bytes.length} bytes came out instead of ${this.clusterBytes}`);
    return bytes;
  }
}
