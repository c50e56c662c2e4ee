/**
 * An image written anew without what nothing needs: leaked clusters, clusters of zeroes, tables that are empty. It goes into a file aside, with the same
 * backing file and identity; who asked for it puts that file in the old one's place.
 */
import { ConfigError, DiskFormatError } from '../errors/errors.ts';
import { isChainFormat, type ChainFormat, type Layer } from './block.ts';
import { CopyJob, type CopyProgress } from './copy-job.ts';
import { openDisk, type DiskHost } from './open.ts';
import type { BackingPolicy } from './paths.ts';
import { createQcow2 } from './qcow2/create.ts';
import { COMPATIBLE, EXTENSION, INCOMPATIBLE } from './qcow2/format.ts';
import { hasFeature } from './qcow2/header.ts';
import { Qcow2Image } from './qcow2/image.ts';
import { RawImage, createRaw } from './raw.ts';

export class Compaction implements Disposable {
  private readonly source: Layer;
  private readonly target: Layer;
  private readonly job: CopyJob;

  /** `allow` is needed only for images with subclusters, whose parents are read. The file `aside` must not exist; it is the caller's to remove. */
  constructor(host: DiskHost, path: string, format: ChainFormat, aside: string, allow: BackingPolicy) {
    if (format === 'raw') {
      this.source = new RawImage(host.files, path, false);
      createRaw(host.files, aside, this.source.sizeBytes);
      this.target = new RawImage(host.files, aside, true);
      this.job = CopyJob.layer(this.source, this.target, false);
      return;
    }
    const source = openSource(host, path, allow);
    try {
      createLike(host, source, aside);
      const target = new Qcow2Image(host.files, host.codec, aside, { writable: true });
      target.attachParent(source.parent);
      this.job = CopyJob.layer(source, target, source.header.backing !== undefined);
      this.target = target;
    } catch (error) {
      source[Symbol.dispose]();
      throw error;
    }
    this.source = source;
  }

  get progress(): CopyProgress {
    return this.job.progress;
  }

  get finished(): boolean {
    return this.job.finished;
  }

  step(bytes: number): void {
    this.job.step(bytes);
  }

  /** After the last step: the file aside is complete, and safe. */
  end(): void {
    if (this.target instanceof Qcow2Image) this.target.settle();
    else this.target.flush();
  }

  [Symbol.dispose](): void {
    if (this.target instanceof Qcow2Image) this.target.attachParent(undefined); // the source closes the parents that both have
    this.target[Symbol.dispose]();
    this.source[Symbol.dispose]();
  }
}

/** Alone: parents are not needed to know what one file says, but where parts of a cluster are another's. */
function openSource(host: DiskHost, path: string, allow: BackingPolicy): Qcow2Image {
  const options = { format: 'qcow2', writable: false, allow } as const;
  const image = openDisk(host, path, { ...options, alone: true }) as Qcow2Image;
  if (image.header.snapshots > 0) {
    image[Symbol.dispose]();
    throw new ConfigError(
      'DISK_SNAPSHOTS',
      `${path} has internal snapshots, which compacting would lose: delete them (\`qemu-img snapshot -d\`) first.`,
    );
  }
  if (!hasFeature(image.header, INCOMPATIBLE.extendedL2) || image.header.backing === undefined) return image;
  image[Symbol.dispose]();
  return openDisk(host, path, options) as Qcow2Image;
}

function createLike({ files, codec }: DiskHost, source: Qcow2Image, path: string): void {
  const { header, geometry } = source;
  const { backing, backingFormat = '' } = header;
  if (backing !== undefined && !isChainFormat(backingFormat))
    throw new DiskFormatError('DISK_BACKING_FORMAT', source.path, 'it does not say that its backing file is raw or qcow2.');
  const identity = header.extensions.find(({ type, data }) => type === EXTENSION.identity && data.length === 32)?.data;
  createQcow2(files, codec, path, {
    sizeBytes: source.sizeBytes,
    clusterBytes: geometry.clusterBytes,
    refcountBits: geometry.refcountBits,
    lazyRefcounts: (header.compatible & COMPATIBLE.lazyRefcounts) !== 0n,
    ...(backing === undefined ? {} : { backing: { name: backing, format: backingFormat as ChainFormat } }),
    ...(identity && { identity: { id: identity.slice(0, 16), parentId: identity.slice(16) } }),
  });
}
