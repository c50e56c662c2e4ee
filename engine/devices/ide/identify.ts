/** The 512 bytes of IDENTIFY DEVICE (ATA8-ACS § 7.16; ATA/ATAPI-7 for the older words) and IDENTIFY PACKET DEVICE (§ 7.17). */
import { type Geometry } from './task-file.ts';
import { SECTOR_BYTES } from './registers.ts';

const MODEL_DISK = 'Cairn virtual disk';
const MODEL_CDROM = 'Cairn virtual CD-ROM';
const FIRMWARE = '1.0';
/** Sectors that 28 bits, and cylinders, heads and sectors, can address. */
const MAX_LBA28 = 0x0fffffff;
export const DEFAULT_GEOMETRY: Geometry = { heads: 16, sectors: 63 };
const MAX_CYLINDERS = 16383;
export const MAX_MULTIPLE = 16;

/** Values of SET FEATURES, Set transfer mode: the kind in bits 7-3, the number in bits 2-0. */
export const Mode = { PioDefault: 0x00, Pio: 0x08, MultiwordDma: 0x20, UltraDma: 0x40 } as const;
export const DEFAULT_MODE = Mode.MultiwordDma | 2;
const HIGHEST = new Map<number, number>([
  [Mode.PioDefault, 1],
  [Mode.Pio, 4],
  [Mode.MultiwordDma, 2],
  [Mode.UltraDma, 5],
]);
export function isTransferMode(mode: number): boolean {
  const highest = HIGHEST.get(mode & 0xf8);
  return highest !== undefined && (mode & 7) <= highest;
}

class IdentifyWords {
  readonly bytes = new Uint8Array(SECTOR_BYTES);
  private readonly view = new DataView(this.bytes.buffer);

  set(word: number, ...values: number[]) {
    for (const [i, value] of values.entries()) this.view.setUint16((word + i) * 2, value, true);
  }
  /** A count over two or more words, the lowest first. */
  setCount(word: number, words: number, value: number) {
    for (let i = 0; i < words; i++) this.set(word + i, Math.floor(value / 2 ** (16 * i)) & 0xffff);
  }
  /** ATA strings have the bytes of each word swapped. */
  setText(word: number, words: number, text: string) {
    const padded = text.slice(0, words * 2).padEnd(words * 2);
    for (let i = 0; i < padded.length; i++) this.bytes[word * 2 + (i ^ 1)] = padded.charCodeAt(i);
  }
  /** Words 62 to 93, of which both kinds have the same: modes, timings, version. */
  setModes(mode: number) {
    const selected = (kind: number) => ((mode & 0xf8) === kind ? 1 << (8 + (mode & 7)) : 0);
    this.set(63, 0x07 | selected(Mode.MultiwordDma), 0x03, 120, 120, 120, 120);
    this.set(80, 0x01f0); // ATA-4 to ATA8-ACS
    this.set(88, 0x3f | selected(Mode.UltraDma));
    this.set(93, 0x6001); // passed, 80-wire cable
  }
  /** Word 255: makes the sum of all bytes 0. */
  sign(): Uint8Array {
    this.bytes[510] = 0xa5;
    this.bytes[511] = -this.bytes.reduce((sum, byte) => sum + byte, 0);
    return this.bytes;
  }
}

export interface DiskIdentity {
  readonly sectors: number;
  readonly serial: string;
  readonly geometry: Geometry;
  /** Sectors a DRQ block of READ MULTIPLE; 0 = not set. */
  readonly multiple: number;
  readonly mode: number;
  readonly writeCache: boolean;
  readonly lookAhead: boolean;
  readonly trim: boolean;
}

const cylinders = (sectors: number, geometry: Geometry) =>
  Math.min(MAX_CYLINDERS, Math.floor(sectors / (geometry.heads * geometry.sectors)));

export function identifyDisk(disk: DiskIdentity): Uint8Array {
  const words = new IdentifyWords();
  const { heads, sectors: perTrack } = disk.geometry;
  const current = cylinders(disk.sectors, disk.geometry);
  words.set(0, 0x0040, cylinders(disk.sectors, DEFAULT_GEOMETRY), 0, DEFAULT_GEOMETRY.heads, 0, 0, DEFAULT_GEOMETRY.sectors);
  words.setText(10, 10, disk.serial);
  words.setText(23, 4, FIRMWARE);
  words.setText(27, 20, MODEL_DISK);
  words.set(47, 0x8000 | MAX_MULTIPLE, 0x4000, 0x0f00, 0x4000); // IORDY, LBA, DMA
  words.set(51, 0x0200, 0x0200, 0x0007, current, heads, perTrack);
  words.setCount(57, 2, current * heads * perTrack);
  words.set(59, disk.multiple === 0 ? 0 : 0x100 | disk.multiple);
  words.setCount(60, 2, Math.min(disk.sectors, MAX_LBA28));
  words.setModes(disk.mode);
  const WRITE_CACHE = 1 << 5;
  const LOOK_AHEAD = 1 << 6;
  words.set(82, WRITE_CACHE | LOOK_AHEAD, 0x7400, 0x4040); // LBA48, FLUSH CACHE and EXT; WRITE FUA EXT
  words.set(85, (disk.writeCache ? WRITE_CACHE : 0) | (disk.lookAhead ? LOOK_AHEAD : 0), 0x3400, 0x4040);
  words.setCount(100, 4, disk.sectors);
  if (disk.trim) {
    words.set(105, 1); // one block of ranges
    words.set(169, 1);
  }
  words.set(106, 0x4000); // a logical sector is a physical one
  words.set(217, 1); // does not rotate
  return words.sign();
}

export function identifyCdrom(serial: string, mode: number): Uint8Array {
  const words = new IdentifyWords();
  words.set(0, 0x85c0); // ATAPI, CD-ROM, removable; DRQ within 50 µs of PACKET, 12-byte packets
  words.setText(10, 10, serial);
  words.setText(23, 4, FIRMWARE);
  words.setText(27, 20, MODEL_CDROM);
  words.set(49, 0x0f00);
  words.set(53, 0x0006);
  words.setModes(mode);
  words.set(82, 0x0210, 0x4000, 0x4000); // PACKET, DEVICE RESET
  words.set(85, 0x0210, 0, 0x4000);
  return words.sign();
}
