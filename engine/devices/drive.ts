/**
 * What a disk controller sees of a virtual disk: requests that end later. Who implements it (native-free-worker/drive-channel.ts) moves the bytes between the
 * disk's files and machine pages; a controller never waits and never holds file data.
 */

/** A run of guest physical memory: an element of a scatter/gather list. */
export interface GuestRange {
  readonly gpa: number;
  readonly length: number;
}

/** Offsets and lengths in bytes, multiples of 512, inside the disk: the controller has checked them. */
export type DriveRequest =
  /** DMA. The ranges' lengths add up to what is transferred. */
  | { readonly kind: 'read' | 'write'; readonly offset: number; readonly ranges: readonly GuestRange[] }
  /** Into a buffer of the controller's (PIO, ATAPI): `done` gets the bytes. At most MAX_BUFFERED_BYTES. */
  | { readonly kind: 'read-bytes'; readonly offset: number; readonly length: number }
  /** From a buffer of the controller's, copied before submit() returns. At most MAX_BUFFERED_BYTES. */
  | { readonly kind: 'write-bytes'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'write-zeroes'; readonly offset: number; readonly length: number; readonly unmap: boolean }
  | { readonly kind: 'discard'; readonly offset: number; readonly length: number }
  /** Ends when every write that ended before it was submitted would survive a power failure. */
  | { readonly kind: 'flush' };

export const MAX_BUFFERED_BYTES = 65536;

/** `error`: the image is damaged there, and the guest is told so. A host disk that fails or is full pauses the VM instead, and the request stays pending. */
export type DriveResult = 'ok' | 'error';

export interface Drive {
  /** Unique in the machine: `disk0`… */
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** A change is durable when it ends: there is no cache that a guest should know of, and nothing to flush. */
  readonly writeThrough: boolean;
  /** The COW block group: the granularity of discards, and the best size of a request. */
  readonly clusterBytes: number;
  /** At most 20 printable ASCII characters, stable over the VM's life. */
  readonly serial: string;
  /** Of what a disc holds: another disc has another one, so that a guest that comes back to a checkpoint learns of it. '' of anything but a disc. */
  readonly fingerprint: string;
  /** Never fails and never calls `done` itself: that happens between instructions, at a count that a log of the run can name. `bytes` is for read-bytes only. */
  submit(request: DriveRequest, done: (result: DriveResult, bytes?: Uint8Array) => void): void;
  /** Waits until nothing is pending: every `done` has been called when it returns. A reset of the controller needs it. */
  drain(): void;
}
