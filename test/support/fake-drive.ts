/** A virtual disk in an array, whose requests stay pending until the test ends them: in any order, with any result. */
import type { GuestMemory } from '#engine/devices/device.ts';
import type { Drive, DriveRequest, DriveResult, GuestRange } from '#engine/devices/drive.ts';

type Done = Parameters<Drive['submit']>[1];

interface HeldRequest {
  readonly request: DriveRequest;
  readonly done: Done;
}

export class FakeDrive implements Drive {
  readonly name: string = 'disk0';
  readonly readOnly: boolean;
  readonly writeThrough: boolean;
  readonly clusterBytes: number = 65536;
  readonly serial: string = 'CAIRN-0123456789';
  readonly fingerprint: string;
  /** What the disk holds. */
  readonly content: Uint8Array;
  /** Pending, oldest first. */
  readonly held: HeldRequest[] = [];
  private readonly memory: GuestMemory;

  constructor(memory: GuestMemory, { sizeBytes = 1 << 20, readOnly = false, writeThrough = false, fingerprint = '' } = {}) {
    this.memory = memory;
    this.content = new Uint8Array(sizeBytes);
    this.readOnly = readOnly;
    this.writeThrough = writeThrough;
    this.fingerprint = fingerprint;
  }

  get sizeBytes() {
    return this.content.length;
  }
  get requests(): readonly DriveRequest[] {
    return this.held.map(({ request }) => request);
  }

  submit(request: DriveRequest, done: Done) {
    const copied = request.kind === 'write-bytes' ? { ...request, bytes: request.bytes.slice() } : request;
    this.held.push({ request: copied, done });
  }

  drain() {
    this.completeAll();
  }

  /** Ends the pending request `index`: its bytes move now, unless it fails. */
  complete(index = 0, result: DriveResult = 'ok') {
    const [{ request, done }] = this.held.splice(index, 1) as [HeldRequest];
    done(result, result === 'ok' ? this.perform(request) : undefined);
  }

  /** Also those that follow from the completions. */
  completeAll() {
    while (this.held.length > 0) this.complete();
  }

  private perform(request: DriveRequest): Uint8Array | undefined {
    const { content } = this;
    switch (request.kind) {
      case 'read':
        this.eachRange(request.offset, request.ranges, (bytes, { gpa }) => this.memory.write(gpa, bytes.slice()));
        return undefined;
      case 'write':
        this.eachRange(request.offset, request.ranges, (bytes, { gpa }) => this.memory.read(gpa, bytes));
        return undefined;
      case 'read-bytes':
        return content.slice(request.offset, request.offset + request.length);
      case 'write-bytes':
        content.set(request.bytes, request.offset);
        return undefined;
      case 'write-zeroes':
      case 'discard':
        content.fill(0, request.offset, request.offset + request.length);
        return undefined;
      case 'flush':
        return undefined;
    }
  }

  /** The piece of the disk that goes with each range. */
  private eachRange(offset: number, ranges: readonly GuestRange[], move: (bytes: Uint8Array, range: GuestRange) => void) {
    let at = offset;
    for (const range of ranges) {
      move(this.content.subarray(at, at + range.length), range);
      at += range.length;
    }
  }
}
