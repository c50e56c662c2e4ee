/** A request of a controller's on its way: what the channel knows of it, its bounds, and how long a disk takes in virtual time. */
import { MAX_BUFFERED_BYTES, type DriveRequest, type DriveResult } from '#engine/devices/drive.ts';
import type { OperationKind } from '#engine/disk/queue.ts';
import type { OpenedDisk } from './disk-protocol.ts';
import { countPages, type PagePart } from './guest-pages.ts';

/** A request of more pages than this (256 MiB) is refused; and no more than this many are the disk worker's at a time. */
export const MOST_PAGES = 65536;

const REQUEST_NS = 60_000;
const FLUSH_NS = 200_000;
const BYTE_NS = 1;

/** The model of a disk's speed with pacing `virtual`: from submission to `done`, whatever else is pending. */
export const latencyNs = (kind: OperationKind, lengthBytes: number): number =>
  kind === 'flush' ? FLUSH_NS : REQUEST_NS + (kind === 'read' || kind === 'write' ? lengthBytes * BYTE_NS : 0);

/** A disk operation that has not ended. */
export interface PendingOperation {
  readonly id: number;
  readonly disk: number;
  readonly kind: OperationKind;
  readonly offset: number;
  readonly length: number;
  /** Source or target of DMA: not to be freed before it has ended. */
  readonly pages: readonly PagePart[];
}

/** `done` has not been called. */
export interface SubmittedRequest extends PendingOperation {
  pages: readonly PagePart[];
  readonly request: DriveRequest;
  readonly done: (result: DriveResult, bytes?: Uint8Array) => void;
  /** Virtual time at which `done` comes, with pacing `virtual`. */
  dueNs: number;
  generation: number;
  /** Ring operations of it that have not ended. */
  underWay: number;
  result: DriveResult;
  bytes: Uint8Array | undefined;
  state: 'unresolved' | 'under way' | 'ended';
}

export function rangeOf(request: DriveRequest): { kind: OperationKind; offset: number; length: number } {
  switch (request.kind) {
    case 'read':
    case 'write':
      return { kind: request.kind, offset: request.offset, length: request.ranges.reduce((sum, { length }) => sum + length, 0) };
    case 'read-bytes':
      return { kind: 'read', offset: request.offset, length: request.length };
    case 'write-bytes':
      return { kind: 'write', offset: request.offset, length: request.bytes.length };
    case 'flush':
      return { kind: 'flush', offset: 0, length: 0 };
    default:
      return { kind: request.kind, offset: request.offset, length: request.length };
  }
}

/** What no controller should let through, and no guest can make the world fail by. `mostPages`: of what the machine can ever have free at a time. */
export function isImpossible(disk: OpenedDisk, request: DriveRequest, length: number, mostPages: number): boolean {
  if (request.kind === 'flush') return false;
  if (!(request.offset >= 0 && request.offset + length <= disk.sizeBytes)) return true;
  if (disk.readOnly && request.kind !== 'read' && request.kind !== 'read-bytes') return true;
  return 'ranges' in request
    ? countPages(request.ranges) > Math.min(MOST_PAGES, mostPages)
    : request.kind.endsWith('-bytes') && length > MAX_BUFFERED_BYTES;
}
