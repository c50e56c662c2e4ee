/** A drive that holds nothing: what is read follows from the place, what is written goes into a digest. It ends what it was asked for late, in any order, with errors. */
import type { GuestMemory } from '#engine/devices/device.ts';
import type { Drive, DriveRequest, DriveResult, GuestRange } from '#engine/devices/drive.ts';

type Done = Parameters<Drive['submit']>[1];

export interface DriveShape {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly?: boolean;
  readonly writeThrough?: boolean;
  readonly fingerprint?: string;
}

/** Enough to see that the right bytes were moved; a request may be of many MiB. */
const MOVED_RANGES = 16;
const MOVED_BYTES = 1024;
/** One in so many that are waited for fails. */
const FAILING = 8;

export class FuzzDrive implements Drive {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly writeThrough: boolean;
  readonly clusterBytes = 65536;
  readonly serial = 'FUZZ-0123456789';
  readonly fingerprint: string;
  readonly held: { readonly request: DriveRequest; readonly done: Done }[] = [];
  /** Of all that was changed. */
  digest = 0;
  ended = 0;
  submitted = 0;
  private readonly memory: GuestMemory;
  /** Where a request does not keep to what a controller promises (engine/devices/drive.ts). */
  private readonly wrong: (what: string) => void;

  constructor(memory: GuestMemory, { name, sizeBytes, ...rest }: DriveShape, wrong: (what: string) => void) {
    this.memory = memory;
    this.name = name;
    this.sizeBytes = sizeBytes;
    this.readOnly = rest.readOnly ?? false;
    this.writeThrough = rest.writeThrough ?? false;
    this.fingerprint = rest.fingerprint ?? '';
    this.wrong = wrong;
  }

  submit(request: DriveRequest, done: Done) {
    this.submitted++;
    this.check(request);
    this.held.push({ request: request.kind === 'write-bytes' ? { ...request, bytes: request.bytes.slice() } : request, done });
  }

  private check(request: DriveRequest) {
    if (request.kind === 'flush') return;
    const length = lengthOf(request);
    if (request.offset % 512 !== 0 || length % 512 !== 0 || length <= 0)
      this.wrong(`${this.name}: ${request.kind} of ${length} at ${request.offset}`);
    if (request.offset < 0 || request.offset + length > this.sizeBytes)
      this.wrong(`${this.name}: ${request.kind} outside the disk, at ${request.offset}`);
    if (this.readOnly && request.kind !== 'read' && request.kind !== 'read-bytes')
      this.wrong(`${this.name}: ${request.kind} of a read-only disk`);
    if (request.kind.endsWith('-bytes') && length > 65536) this.wrong(`${this.name}: a buffer of ${length} bytes`);
  }

  drain() {
    while (this.held.length > 0) this.complete(0, this.ended % FAILING === FAILING - 1);
  }

  complete(index: number, fails: boolean) {
    const [{ request, done }] = this.held.splice(index, 1) as [(typeof this.held)[number]];
    this.ended++;
    const result: DriveResult = fails ? 'error' : 'ok';
    done(result, fails ? undefined : this.perform(request));
  }

  private perform(request: DriveRequest): Uint8Array | undefined {
    switch (request.kind) {
      case 'read':
        for (const { gpa, length, at } of moved(request.ranges)) this.memory.write(gpa, content(request.offset + at, length));
        return undefined;
      case 'write':
        for (const { gpa, length, at } of moved(request.ranges)) {
          const bytes = new Uint8Array(length);
          this.memory.read(gpa, bytes);
          this.note(request.offset + at, bytes);
        }
        return undefined;
      case 'read-bytes':
        return content(request.offset, request.length);
      case 'write-bytes':
        this.note(request.offset, request.bytes);
        return undefined;
      case 'flush':
        return undefined;
      default:
        this.note(request.offset, Uint8Array.of(request.kind.length, request.length & 0xff, request.length >>> 8));
        return undefined;
    }
  }

  private note(offset: number, bytes: Uint8Array) {
    let digest = Math.imul(this.digest ^ offset, 0x9e3779b1);
    for (const byte of bytes) digest = Math.imul((digest << 5) ^ (digest >>> 27) ^ byte, 0x85ebca6b);
    this.digest = digest;
  }

  /** As another one is, with nothing pending. */
  follow(other: FuzzDrive) {
    this.held.length = 0;
    this.digest = other.digest;
    this.ended = other.ended;
  }
}

function lengthOf(request: Exclude<DriveRequest, { kind: 'flush' }>) {
  if ('ranges' in request) return request.ranges.reduce((sum, { length }) => sum + length, 0);
  return 'bytes' in request ? request.bytes.length : request.length;
}

/** What of a transfer's ranges is really moved. */
function* moved(ranges: readonly GuestRange[]) {
  let at = 0;
  for (const [i, { gpa, length }] of ranges.entries()) {
    if (i >= MOVED_RANGES) return;
    yield { gpa, length: Math.min(length, MOVED_BYTES), at };
    at += length;
  }
}

const content = (offset: number, length: number) => {
  const bytes = new Uint8Array(length);
  const seed = Math.floor(offset / 512);
  for (let i = 0; i < length; i += 64) bytes[i] = seed + (i >>> 9) * 3 + i;
  return bytes;
};
