/** A table of the image in memory, with the part of it that the file does not have yet. Written by whole sectors, which the host's disk does not tear. */
import type { HostFile } from '../../ports/host-files.ts';
import { SECTOR, roundUp, viewOf } from './format.ts';

export class Table {
  /** Where it is in the file. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  private from = Infinity;
  private to = 0;

  constructor(offset: number, lengthBytes: number) {
    this.offset = offset;
    this.bytes = new Uint8Array(roundUp(lengthBytes, SECTOR));
    this.view = viewOf(this.bytes);
  }

  static read(file: HostFile, offset: number, lengthBytes: number): Table {
    const table = new Table(offset, lengthBytes);
    file.read(table.bytes, offset); // what is past the end of the file is zeroes
    return table;
  }

  get dirty(): boolean {
    return this.to > 0;
  }

  touch(at: number, length: number): void {
    this.from = Math.min(this.from, at - (at % SECTOR));
    this.to = Math.max(this.to, roundUp(at + length, SECTOR));
  }

  touchAll(): void {
    this.touch(0, this.bytes.length);
  }

  /** Stays dirty until clean(): only a sync makes sure. */
  writeTo(file: HostFile): void {
    if (this.dirty) file.write(this.bytes.subarray(this.from, this.to), this.offset + this.from);
  }

  clean(): void {
    this.from = Infinity;
    this.to = 0;
  }
}

/** Counts the memory that one image's tables take. */
export class MetadataBudget {
  private left: number;
  private readonly refuse: () => never;

  constructor(bytes: number, refuse: () => never) {
    this.left = bytes;
    this.refuse = refuse;
  }

  take(bytes: number): void {
    if (bytes > this.left) this.refuse();
    this.left -= bytes;
  }
}
