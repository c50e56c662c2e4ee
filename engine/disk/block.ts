/** What a virtual disk is: bytes in a file and, where that file says nothing, in its parent. DESIGN.md section 5. */
import { ConfigError, InvariantError } from '../errors/errors.ts';

/** By QEMU's names: `vpc` is VHD. */
export type DiskFormat = 'raw' | 'qcow2' | 'vmdk' | 'vdi' | 'vpc' | 'vhdx';

/** What a layer of a chain may be: the others are only read, to be imported. */
export type ChainFormat = 'raw' | 'qcow2';

export const isChainFormat = (format: string): format is ChainFormat => format === 'raw' || format === 'qcow2';

/** `data` and `zero`: this file says so. `hole`: it says nothing; the parent does, and without a parent it reads as zeroes. */
export type ExtentKind = 'data' | 'zero' | 'hole';

export interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly kind: ExtentKind;
}

/**
 * One open image with its parents below it. Synchronous, as the files below it are: an operation runs to its end before the next begins, so a layer
 * needs no locks; who must not wait (the vcpu worker) lets the disk worker do it. Ranges are in bytes, any alignment, within `sizeBytes`.
 * Errors are DiskFormatError (the file is damaged) and StorageError (the host's storage failed; what was flushed is safe, and trying again is allowed).
 */
export interface Layer extends Disposable {
  readonly path: string;
  readonly format: DiskFormat;
  readonly sizeBytes: number;
  /** What the file copies and frees at once: the COW block group. */
  readonly clusterBytes: number;
  readonly writable: boolean;
  readonly parent: Layer | undefined;
  read(offset: number, into: Uint8Array): void;
  write(offset: number, bytes: Uint8Array): void;
  /** `unmap`: the file may give the room back. */
  writeZeroes(offset: number, length: number, unmap: boolean): void;
  /** A hint: whole clusters in the range may be freed, and then read as zeroes; the rest stays as it is. */
  discard(offset: number, length: number): void;
  /** Returns when all that was written would survive a power failure. */
  flush(): void;
  /** The extent at `offset`, of this file alone, at most `length` long. */
  status(offset: number, length: number): Extent;
  /** Larger only. What is new reads as zeroes. */
  resize(sizeBytes: number): void;
  /** Opens the same file again the other way; what was written is flushed first. The same object goes on, so no stale copy of its tables exists. */
  setWritable(writable: boolean): void;
  /** Closes this file and its parents. Flushes nothing: call flush() first, or lose what came after the last one. */
  [Symbol.dispose](): void;
}

/** The same as a disk emulator sees it: every operation ends later, in the order in which they were begun. */
export interface VirtualDisk {
  readonly sizeBytes: number;
  read(offset: number, into: Uint8Array): Promise<void>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  writeZeroes(offset: number, length: number, unmap: boolean): Promise<void>;
  discard(offset: number, length: number): Promise<void>;
  flush(): Promise<void>;
}

/** A virtual disk that is mapped to the top of a chain; the top can be switched between two operations (METHOD.md step 810). */
export class ChainDisk implements VirtualDisk {
  top: Layer;

  constructor(top: Layer) {
    this.top = top;
  }

  get sizeBytes(): number {
    return this.top.sizeBytes;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.top.read(offset, into);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.top.write(offset, bytes);
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    this.top.writeZeroes(offset, length, unmap);
  }

  async discard(offset: number, length: number): Promise<void> {
    this.top.discard(offset, length);
  }

  async flush(): Promise<void> {
    this.top.flush();
  }
}

/** Nothing can be read of a disk without a byte. */
export function refuseEmpty({ path, sizeBytes }: Layer): void {
  if (sizeBytes === 0) throw new ConfigError('DISK_EMPTY', `${path} is empty: there is no disk in it. Was it cut, or never written?`);
}

/** The emulators check what a guest asks for; a range outside the disk that gets here is a bug. */
export function checkRange(layer: Layer, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0 || offset + length > layer.sizeBytes)
    throw new InvariantError(`Bytes ${offset} to ${offset + length} are not on ${layer.path}, which has ${layer.sizeBytes}.`);
}

export function checkWritable(layer: Layer): void {
  if (!layer.writable) throw new InvariantError(`${layer.path} is open for reading only.`);
}

/** Reads, with zeroes for what is past the end of a layer, or of no layer at all. */
export function readPadded(layer: Layer | undefined, offset: number, into: Uint8Array): void {
  const inside = layer === undefined ? 0 : Math.max(0, Math.min(into.length, layer.sizeBytes - offset));
  if (inside > 0) layer!.read(offset, into.subarray(0, inside));
  into.fill(0, inside);
}

/** By words of four bytes, four at once: the check that conversion and commit spend their time in. */
export function isZero(bytes: Uint8Array): boolean {
  const head = Math.min(bytes.length, (4 - (bytes.byteOffset % 4)) % 4);
  for (let i = 0; i < head; i++) if (bytes[i] !== 0) return false;
  const count = (bytes.length - head) >> 2;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + head, count);
  let at = 0;
  for (; at + 4 <= count; at += 4) if ((words[at]! | words[at + 1]! | words[at + 2]! | words[at + 3]!) !== 0) return false;
  for (; at < count; at++) if (words[at] !== 0) return false;
  for (let i = head + count * 4; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** The index of the first byte that differs, or -1; both have the same length. */
export function firstDifferenceOf(a: Uint8Array, b: Uint8Array): number {
  const aligned = a.byteOffset % 4 === 0 && b.byteOffset % 4 === 0;
  const count = aligned ? a.length >> 2 : 0;
  let at = 0;
  if (count > 0) {
    const [x, y] = [new Int32Array(a.buffer, a.byteOffset, count), new Int32Array(b.buffer, b.byteOffset, count)];
    while (at < count && x[at] === y[at]) at++;
  }
  for (let i = at * 4; i < a.length; i++) if (a[i] !== b[i]) return i;
  return -1;
}
