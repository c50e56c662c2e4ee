/** A raw image: the disk's bytes, one after the other. Never guessed: a guest could write another format's magic number at its start. */
import { ConfigError } from '../errors/errors.ts';
import type { HostFile, HostFiles } from '../ports/host-files.ts';
import { roundUp, SECTOR } from './qcow2/format.ts';
import { checkRange, checkWritable, isZero, type Extent, type Layer } from './block.ts';

const ZEROES = new Uint8Array(1 << 16);

export class RawImage implements Layer {
  readonly format = 'raw';
  readonly clusterBytes = 512;
  readonly parent = undefined;
  readonly path: string;
  /** Whole sectors: what is missing of the last one reads as zeroes, as QEMU has it. */
  sizeBytes: number;
  writable = false;
  private readonly files: HostFiles;
  private file: HostFile;
  private unsynced = false;

  constructor(files: HostFiles, path: string, writable: boolean) {
    this.files = files;
    this.path = path;
    this.writable = writable;
    this.file = writable ? files.openWrite(path) : files.openRead(path);
    this.sizeBytes = roundUp(this.file.size(), SECTOR);
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length);
    into.fill(0, this.file.read(into, offset));
  }

  write(offset: number, bytes: Uint8Array): void {
    checkRange(this, offset, bytes.length);
    checkWritable(this);
    this.unsynced = true;
    this.file.write(bytes, offset);
  }

  /** What reads as zeroes already is left alone, so that holes stay holes. */
  writeZeroes(offset: number, length: number): void {
    checkRange(this, offset, length);
    checkWritable(this);
    const there = new Uint8Array(Math.min(length, ZEROES.length));
    for (let at = 0; at < length; at += ZEROES.length) {
      const part = there.subarray(0, length - at);
      this.read(offset + at, part);
      if (!isZero(part)) this.write(offset + at, ZEROES.subarray(0, part.length));
    }
  }

  /** The host's files have no holes that could be made here: the bytes stay. */
  discard(offset: number, length: number): void {
    checkRange(this, offset, length);
  }

  flush(): void {
    if (!this.unsynced) return;
    this.file.dataSync();
    this.unsynced = false;
  }

  status(offset: number, length: number): Extent {
    checkRange(this, offset, length);
    return { offset, length, kind: 'data' };
  }

  resize(sizeBytes: number): void {
    checkWritable(this);
    if (sizeBytes < this.sizeBytes) throw new ConfigError('DISK_SHRINK', `${this.path} can only be made larger: its end may be in use.`);
    this.unsynced = true;
    this.file.truncate(sizeBytes);
    this.sizeBytes = sizeBytes;
    this.flush();
  }

  setWritable(writable: boolean): void {
    if (writable === this.writable) return;
    this.flush();
    const file = writable ? this.files.openWrite(this.path) : this.files.openRead(this.path);
    this.file[Symbol.dispose]();
    this.file = file;
    this.writable = writable;
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }
}

/** A new raw image, all zeroes; `preallocated`: with room for all of it on the host's disk. */
export function createRaw(files: HostFiles, path: string, sizeBytes: number, preallocated = false): void {
  using file = files.createExclusive(path);
  if (preallocated) file.allocate(sizeBytes);
  else file.truncate(sizeBytes);
  file.sync();
}
