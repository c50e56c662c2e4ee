/**
 * A checkpoint volume (METHOD.md § 37–40, § 50): one preallocated file, or a block device, in which the checkpoint files of any number of VMs lie.
 *
 *   a file is written     its units only: which they are is known in memory, and held (ports.ts) so that nobody else takes them
 *   it gets its name      everything is synced → the directory is written to the area that does not have the present one → synced
 *
 * The second sync is the only durable moment. A crash before it leaves the directory of before, one after it that of after, and what is free is what neither the directory
 * nor anybody who lives says to have: nothing is to be rolled back or collected. Published files never change.
 */
import { CheckpointError, InvariantError, StorageError } from '../../errors/errors.ts';
import type { HostFile } from '../../ports/host-files.ts';
import { areaAt, encodeArea, hasOther, readNewest, type Generation } from './area.ts';
import { encodeDirectory, findFile, isReadable, withFile, type Directory, type StoredFile } from './directory.ts';
import { decodeHeader, type Header } from './header.ts';
import { HEADER_SIZE, SECTOR } from './layout.ts';
import { PendingFile } from './pending-file.ts';
import type { VolumeHost } from './ports.ts';
import { countUnits, freeRuns, runsOf, takeUnits, type Run } from './space.ts';
import { ReadFile } from './stored-file.ts';

/** How often a directory that is written just now is looked at again, before who writes is waited for. */
const LOOKS = 4;
/** Units that are taken at a time: enough that they lie together, and little asking. */
const FIRST_UNITS = 16;
const MOST_UNITS = 1024;
/** With less free than this many times what would be taken, others may need it. */
const LEFT_TO_OTHERS = 8;

export interface VolumeState {
  readonly header: Header;
  /** In hexadecimal. */
  readonly uuid: string;
  readonly generation: Generation;
}

export class Volume {
  readonly path: string;
  readonly host: VolumeHost;
  private known: VolumeState | undefined;
  /** The generation that is known to be on the disk. */
  private durable: Generation | undefined;
  private readonly pending = new Map<string, PendingFile>();

  constructor(host: VolumeHost, path: string) {
    this.host = host;
    this.path = path;
  }

  /** As it is now. Throws CheckpointError VOLUME_DAMAGED, and StorageError. */
  look(): VolumeState {
    using device = this.host.openRead(this.path);
    const header = this.readHeader(device);
    for (let looks = 0; looks < LOOKS; looks++) {
      const state = this.read(device, header);
      if (typeof state !== 'string') return state;
    }
    return this.host.uses.exclusively(hex(header.uuid), () => this.readOrThrow(device, header));
  }

  /** Units that no file has and nobody holds. */
  freeUnits({ uuid, header, generation }: VolumeState): number {
    return countUnits(this.freeRuns(uuid, header, generation.directory));
  }

  /** What `make` makes of the directory, durable; nothing is written when that is the same. Throws StorageError, and then nothing has changed. */
  change(make: (directory: Directory) => Directory): void {
    this.alone((device, { header, generation }) => {
      const directory = make(generation.directory);
      if (directory === generation.directory) return;
      device.dataSync(); // the data of what is published now, and a directory that somebody was killed before syncing
      const number = generation.number + 1;
      const bytes = isReadable(directory) ? encodeArea(header, number, encodeDirectory(directory), this.host.checksum) : undefined;
      if (bytes === undefined)
        throw new StorageError('DISK_FULL', `${this.path} cannot be written: its directory is full. Delete checkpoints and try again.`);
      const at = areaAt(header, 1 - generation.area);
      try {
        device.write(bytes, at);
        device.dataSync();
      } catch (error) {
        takeBack(device, at);
        throw error;
      }
    });
  }

  isPending(folder: string, name: string): boolean {
    return this.pending.has(keyOf(folder, name));
  }

  /** A new file, which is in no directory before publish(). `path`: what messages call it. */
  create(folder: string, name: string, path: string): HostFile {
    const key = keyOf(folder, name);
    const { header, uuid, generation } = this.look();
    if (this.pending.has(key) || findFile(generation.directory, folder, name) !== undefined)
      throw new StorageError('FILE_EXISTS', `${path} cannot be created: there is a file of this name already.`);
    const device = this.host.openWrite(this.path);
    const file = new PendingFile(path, device, header, wanted => this.take(uuid, key, wanted));
    this.pending.set(key, file);
    return file;
  }

  /** The pending file gets the name `to`, replacing what has it, at once and durably. It stays pending when this throws. */
  publish(folder: string, from: string, to: string): void {
    const key = keyOf(folder, from);
    const file = this.pending.get(key);
    if (file === undefined) throw new InvariantError(`${key} is not being written`);
    this.change(directory => {
      if (!directory.has(folder))
        throw new StorageError('NO_SUCH_FILE', `${this.path} cannot be written: it has no place for ${folder} any more.`);
      return withFile(directory, folder, to, file.stored);
    });
    this.pending.delete(key);
    file.release();
  }

  /** Gives back what a pending file has. None of this name is no failure. */
  abandon(folder: string, name: string): void {
    const key = keyOf(folder, name);
    const file = this.pending.get(key);
    this.pending.delete(key);
    file?.[Symbol.dispose]();
    file?.release();
  }

  /** A published file: it can be read to its end, also when it is removed meanwhile. */
  open(folder: string, name: string, path: string): HostFile {
    for (;;) {
      const { header, uuid, generation } = this.look();
      const file = findFile(generation.directory, folder, name);
      if (file === undefined) throw new StorageError('NO_SUCH_FILE', `${path} cannot be opened: it does not exist.`);
      const use = this.host.uses.hold(uuid, { kind: 'read', file: keyOf(folder, name), extents: file.extents });
      try {
        // Who takes units looks at what is held after the file has gone: so it was still there when it was held, or this is seen here.
        if (isSame(findFile(this.look().generation.directory, folder, name), file))
          return new ReadFile(path, this.host.openRead(this.path), header, file, use);
      } catch (error) {
        use[Symbol.dispose]();
        throw error;
      }
      use[Symbol.dispose]();
    }
  }

  /** Units for a file that is being written, held for it: at least `wanted`. */
  private take(uuid: string, file: string, wanted: number): { runs: Run[]; use: Disposable } {
    return this.alone((device, { header, generation }) => {
      // Units that are free in it are written to: neither may it be lost, nor may one that was taken back return, in which they are not.
      const wasTakenBack = !hasOther(device, header, generation, this.host.checksum);
      if (wasTakenBack) clear(device, areaAt(header, 1 - generation.area)); // again: a host forgets what it failed to sync
      if (wasTakenBack || generation !== this.durable) device.dataSync();
      this.durable = generation;
      const free = this.freeRuns(uuid, header, generation.directory);
      const freeUnits = countUnits(free);
      if (freeUnits < wanted)
        throw new StorageError(
          'DISK_FULL',
          `${this.path} cannot be written: the volume is full (${mebibytes(header.units * header.unitBytes)} MiB). Delete checkpoints and try again.`,
        );
      const runs = takeUnits(free, Math.max(wanted, Math.min(this.unitsAtOnce(file), Math.floor(freeUnits / LEFT_TO_OTHERS))));
      const extents = runs.map(run => ({ at: 0, ...run }));
      return { runs, use: this.host.uses.hold(uuid, { kind: 'write', file, extents }) };
    });
  }

  private unitsAtOnce(file: string): number {
    return Math.min(MOST_UNITS, Math.max(FIRST_UNITS, this.pending.get(file)?.unitCount ?? 0));
  }

  private freeRuns(uuid: string, { units }: Header, directory: Directory): Run[] {
    const held = this.host.uses.held(uuid).flatMap(({ extents }) => extents);
    return freeRuns([...runsOf(directory), ...held], units);
  }

  /** Does `work` with the present state while nobody else changes it. */
  private alone<T>(work: (device: HostFile, state: VolumeState) => T): T {
    using device = this.host.openWrite(this.path);
    const header = this.readHeader(device);
    return this.host.uses.exclusively(hex(header.uuid), () => work(device, this.readOrThrow(device, header)));
  }

  private readHeader(device: HostFile): Header {
    const bytes = new Uint8Array(HEADER_SIZE);
    if (device.read(bytes, 0) < HEADER_SIZE) throw this.damaged('it is too short to be one');
    const header = decodeHeader(bytes, this.host.checksum);
    if (typeof header === 'string') throw this.damaged(header);
    if (device.read(new Uint8Array(1), header.sizeBytes - 1) < 1) throw this.damaged('it is shorter than it was made');
    return header;
  }

  private readOrThrow(device: HostFile, header: Header): VolumeState {
    const state = this.read(device, header);
    if (typeof state === 'string') throw this.damaged(state);
    return state;
  }

  private read(device: HostFile, header: Header): VolumeState | string {
    const uuid = hex(header.uuid);
    const known = this.known?.uuid === uuid ? this.known.generation : undefined;
    const generation = readNewest(device, header, this.host.checksum, known);
    if (typeof generation === 'string') return generation;
    return (this.known = { header, uuid, generation });
  }

  private damaged(what: string): CheckpointError {
    return new CheckpointError(
      'VOLUME_DAMAGED',
      `${this.path} cannot be used as a checkpoint volume: ${what}. Bring back a copy of it, or make a new one with \`cairn store create\`.`,
    );
  }
}

/** Nobody was told of what it was to become: it must not appear later. */
function takeBack(device: HostFile, at: number): void {
  try {
    clear(device, at);
    device.dataSync();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error; // the failure that led here is what is told
  }
}

const clear = (device: HostFile, area: number): void => device.write(new Uint8Array(SECTOR), area);

function isSame(now: StoredFile | undefined, then: StoredFile): boolean {
  return now === then || JSON.stringify(now) === JSON.stringify(then);
}

const keyOf = (folder: string, name: string): string => `${folder}/${name}`;
const hex = (bytes: Uint8Array): string => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
const mebibytes = (bytes: number): string => (bytes / (1 << 20)).toFixed(0);
