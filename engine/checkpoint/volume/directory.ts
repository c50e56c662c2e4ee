/** The volume's directory: which files there are, and which units each of them lies in. A value: every change makes another one. */
import { EXTENT_SIZE, MAX_FILES, MAX_FOLDERS, MAX_NAME_BYTES } from './layout.ts';
import { viewOf } from './header.ts';

/** `count` units of a file from `at` on, which are those of the volume from `unit` on. */
export interface Extent {
  readonly at: number;
  readonly unit: number;
  readonly count: number;
}

export interface StoredFile {
  readonly sizeBytes: number;
  /** Ascending; units of the file that are in none are zeroes. Files that share units are copies of one another. */
  readonly extents: readonly Extent[];
}

export type Folder = ReadonlyMap<string, StoredFile>;
export type Directory = ReadonlyMap<string, Folder>;

export const EMPTY: Directory = new Map();

export function findFile(directory: Directory, folder: string, name: string): StoredFile | undefined {
  return directory.get(folder)?.get(name);
}

export function withFolder(directory: Directory, folder: string, files: Folder): Directory {
  return new Map([...directory, [folder, files]]);
}

export function withoutFolder(directory: Directory, folder: string): Directory {
  return new Map([...directory].filter(([name]) => name !== folder));
}

export function withFile(directory: Directory, folder: string, name: string, file: StoredFile): Directory {
  return withFolder(directory, folder, new Map([...(directory.get(folder) ?? []), [name, file]]));
}

export function withoutFile(directory: Directory, folder: string, name: string): Directory {
  return withFolder(directory, folder, new Map([...(directory.get(folder) ?? [])].filter(([other]) => other !== name)));
}

/** A name is one of a file or a folder in the volume, never a path. */
export function isName(name: string): boolean {
  return name.length <= MAX_NAME_BYTES && /^[\x20-\x7e]+$/.test(name) && !/[/\\]/.test(name);
}

/** Whether it has no more entries than a reader takes. */
export function isReadable(directory: Directory): boolean {
  const files = [...directory.values()].reduce((sum, folder) => sum + folder.size, 0);
  return directory.size <= MAX_FOLDERS && files <= MAX_FILES;
}

/**
 *   folders (4), then of each: name length (1), name in ASCII, files (4), then of each:
 *     name length (1), name in ASCII, size in bytes (8), extents (4), then of each: at (4), unit (4), count (4)
 */
export function encodeDirectory(directory: Directory): Uint8Array {
  const parts: Uint8Array[] = [];
  const number = (value: number, size: 4 | 8) => {
    const bytes = new Uint8Array(size);
    if (size === 4) viewOf(bytes).setUint32(0, value, true);
    else viewOf(bytes).setBigUint64(0, BigInt(value), true);
    parts.push(bytes);
  };
  const text = (value: string) => {
    parts.push(
      Uint8Array.of(value.length),
      Uint8Array.from(value, char => char.charCodeAt(0)),
    );
  };
  number(directory.size, 4);
  for (const [folder, files] of directory) {
    text(folder);
    number(files.size, 4);
    for (const [name, { sizeBytes, extents }] of files) {
      text(name);
      number(sizeBytes, 8);
      number(extents.length, 4);
      parts.push(encodeExtents(extents));
    }
  }
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function encodeExtents(extents: readonly Extent[]): Uint8Array {
  const bytes = new Uint8Array(extents.length * EXTENT_SIZE);
  const view = viewOf(bytes);
  extents.forEach(({ at, unit, count }, index) => {
    view.setUint32(index * EXTENT_SIZE, at, true);
    view.setUint32(index * EXTENT_SIZE + 4, unit, true);
    view.setUint32(index * EXTENT_SIZE + 8, count, true);
  });
  return bytes;
}

/** Every extent within the volume and within its file; a text says what is wrong. */
export function decodeDirectory(bytes: Uint8Array, units: number, unitBytes: number): Directory | string {
  try {
    return new Decoder(bytes, units, unitBytes).directory();
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
}

class Refused extends Error {}

class Decoder {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly units: number;
  private readonly unitBytes: number;
  private at = 0;
  private files = 0;

  constructor(bytes: Uint8Array, units: number, unitBytes: number) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.units = units;
    this.unitBytes = unitBytes;
  }

  directory(): Directory {
    const directory = this.table(MAX_FOLDERS, () => this.table(MAX_FILES, () => this.file()));
    if (this.at !== this.bytes.length) throw new Refused('its directory has something after its end');
    return directory;
  }

  private table<T>(limit: number, entry: () => T): Map<string, T> {
    const count = this.number(4);
    if (count > limit) throw new Refused('its directory has too many entries');
    const table = new Map<string, T>();
    for (let i = 0; i < count; i++) {
      const name = this.name();
      if (table.has(name)) throw new Refused(`its directory has the name ${name} twice`);
      table.set(name, entry());
    }
    return table;
  }

  private file(): StoredFile {
    if (++this.files > MAX_FILES) throw new Refused('its directory has too many entries');
    const sizeBytes = this.number(8);
    const length = Math.ceil(sizeBytes / this.unitBytes);
    const count = this.number(4);
    if (!Number.isSafeInteger(sizeBytes) || count > (this.bytes.length - this.at) / EXTENT_SIZE)
      throw new Refused('a file in its directory is not valid');
    const extents: Extent[] = [];
    let end = 0;
    for (let i = 0; i < count; i++) {
      const extent = { at: this.number(4), unit: this.number(4), count: this.number(4) };
      if (extent.count === 0 || extent.at < end || extent.at + extent.count > length || extent.unit + extent.count > this.units)
        throw new Refused('a file in its directory lies outside of it');
      end = extent.at + extent.count;
      extents.push(extent);
    }
    return { sizeBytes, extents };
  }

  private name(): string {
    const length = this.take(1)[0]!;
    const name = String.fromCharCode(...this.take(length));
    if (!isName(name)) throw new Refused('a name in its directory is not valid');
    return name;
  }

  private number(size: 4 | 8): number {
    const at = this.at;
    this.take(size);
    return size === 4 ? this.view.getUint32(at, true) : Number(this.view.getBigUint64(at, true));
  }

  private take(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) throw new Refused('its directory was cut off');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}
