/** A CD-ROM image with an ISO 9660 file system (ECMA-119): one volume, files in the root directory. */
const BLOCK = 2048;
const PATH_TABLES = [18, 19] as const; // little-endian, big-endian
const ROOT = 20;
const FIRST_FILE = 21;
const DIRECTORY = 2;

/** Numbers that ECMA-119 writes in both byte orders, the little-endian first. */
function both(view: DataView, at: number, size: 2 | 4, value: number) {
  if (size === 2) {
    view.setUint16(at, value, true);
    view.setUint16(at + 2, value);
  } else {
    view.setUint32(at, value, true);
    view.setUint32(at + 4, value);
  }
}

/** § 9.1. */
function directoryRecord(name: Uint8Array, block: number, sizeBytes: number, flags: number): Uint8Array {
  const bytes = new Uint8Array((33 + name.length + 1) & ~1);
  const view = new DataView(bytes.buffer);
  bytes[0] = bytes.length;
  both(view, 2, 4, block);
  both(view, 10, 4, sizeBytes);
  bytes.set([124, 2, 29, 12, 0, 0, 0], 18); // 29 February 2024
  bytes[25] = flags;
  both(view, 28, 2, 1);
  bytes[32] = name.length;
  bytes.set(name, 33);
  return bytes;
}

/** `files` by name, as `DATA.BIN`; few enough for a directory of one block. */
export function isoImage(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const blocksOf = (bytes: Uint8Array) => Math.ceil(bytes.length / BLOCK);
  const blocks = [...files.values()].reduce((sum, bytes) => sum + blocksOf(bytes), FIRST_FILE);
  const image = new Uint8Array(blocks * BLOCK);
  const view = new DataView(image.buffer);
  const text = (value: string) => new TextEncoder().encode(value);

  const descriptor = (block: number, type: number) => {
    image.set([type, ...text('CD001'), 1], block * BLOCK);
    return block * BLOCK;
  };
  const primary = descriptor(16, 1);
  both(view, primary + 80, 4, blocks);
  both(view, primary + 120, 2, 1);
  both(view, primary + 124, 2, 1);
  both(view, primary + 128, 2, BLOCK);
  both(view, primary + 132, 4, 10);
  view.setUint32(primary + 140, PATH_TABLES[0], true);
  view.setUint32(primary + 148, PATH_TABLES[1]);
  image.set(directoryRecord(Uint8Array.of(0), ROOT, BLOCK, DIRECTORY), primary + 156);
  image[primary + 881] = 1;
  descriptor(17, 255);
  for (const [i, block] of PATH_TABLES.entries()) {
    image[block * BLOCK] = 1;
    view.setUint32(block * BLOCK + 2, ROOT, i === 0);
    view.setUint16(block * BLOCK + 6, 1, i === 0);
  }

  const records = [directoryRecord(Uint8Array.of(0), ROOT, BLOCK, DIRECTORY), directoryRecord(Uint8Array.of(1), ROOT, BLOCK, DIRECTORY)];
  let next = FIRST_FILE;
  for (const [name, bytes] of files) {
    records.push(directoryRecord(text(`${name};1`), next, bytes.length, 0));
    image.set(bytes, next * BLOCK);
    next += blocksOf(bytes);
  }
  image.set(Uint8Array.from(records.flatMap(record => [...record])), ROOT * BLOCK);
  return image;
}
