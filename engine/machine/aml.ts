/** An encoder for the little AML that the DSDT needs (ACPI Specification 6.4 § 20.2; resource descriptors § 6.4). */

export type Aml = readonly number[];

const le16 = (value: number) => [value & 0xff, (value >>> 8) & 0xff];
const le32 = (value: number) => [...le16(value), ...le16(value >>> 16)];

/** PkgLength counts its own bytes: 1 byte up to 63, else a count in bits 7-6 and the low nibble first. */
function packaged(body: Aml): number[] {
  if (body.length + 1 < 0x40) return [body.length + 1, ...body];
  const extra = body.length + 2 < 0x1000 ? 1 : 2;
  const length = body.length + 1 + extra;
  const head = [(extra << 6) | (length & 0x0f)];
  for (let i = 0; i < extra; i++) head.push((length >> (4 + 8 * i)) & 0xff);
  return [...head, ...body];
}

/** `\_SB.PCI0` and the like: segments are padded to four characters. */
function nameString(path: string): number[] {
  const root = path.startsWith('\\');
  const segments = path.slice(root ? 1 : 0).split('.');
  const chars = segments.flatMap(segment => [...segment.padEnd(4, '_')].map(char => char.charCodeAt(0)));
  const prefix = segments.length === 1 ? [] : segments.length === 2 ? [0x2e] : [0x2f, segments.length];
  return [...(root ? [0x5c] : []), ...prefix, ...chars];
}

export function integer(value: number): Aml {
  if (value === 0 || value === 1) return [value];
  if (value < 0x100) return [0x0a, value];
  return value < 0x10000 ? [0x0b, ...le16(value)] : [0x0c, ...le32(value)];
}

/** Method flags. */
const NO_ARGUMENTS = 0;

export const name = (path: string, value: Aml): Aml => [0x08, ...nameString(path), ...value];
export const scope = (path: string, ...terms: Aml[]): Aml => [0x10, ...packaged([...nameString(path), ...terms.flat()])];
export const device = (path: string, ...terms: Aml[]): Aml => [0x5b, 0x82, ...packaged([...nameString(path), ...terms.flat()])];
export const pack = (...elements: Aml[]): Aml => [0x12, ...packaged([elements.length, ...elements.flat()])];
export const method = (path: string, ...terms: Aml[]): Aml => [0x14, ...packaged([...nameString(path), NO_ARGUMENTS, ...terms.flat()])];
export const returns = (value: Aml): Aml => [0xa4, ...value];
/** `code`: 80h and up mean what the device's specification says (§ 5.6.6). */
export const notify = (path: string, code: number): Aml => [0x86, ...nameString(path), ...integer(code)];
export const text = (value: string): Aml => [0x0d, ...Array.from(value, char => char.charCodeAt(0)), 0];
const buffer = (bytes: Aml): Aml => [0x11, ...packaged([...integer(bytes.length), ...bytes])];

/** A compressed EISA id such as PNP0A03: three letters of five bits, then four hex digits, big-endian. */
export function eisaId(id: string): Aml {
  const letter = (i: number) => id.charCodeAt(i) - 0x40;
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = Number.parseInt(id.slice(3), 16);
  return [0x0c, vendor >> 8, vendor & 0xff, product >> 8, product & 0xff];
}

// --- resource descriptors -------------------------------------------------------------------------------------------

const END_TAG = [0x79, 0x00];
export const resources = (...descriptors: Aml[]): Aml => buffer([...descriptors.flat(), ...END_TAG]);
export const io = (port: number, length: number): Aml => [0x47, 0x01, ...le16(port), ...le16(port), 0x01, length];
export const fixedMemory = (base: number, length: number): Aml => [0x86, ...le16(9), 1, ...le32(base), ...le32(length)];
export const irq = (line: number): Aml => [0x22, ...le16(1 << line)];

/** Producer, fixed minimum and maximum. */
const FIXED = 0x0c;
const word = (type: number, flags: number, min: number, max: number): Aml => [
  0x88,
  ...le16(13),
  type,
  FIXED,
  flags,
  ...le16(0),
  ...le16(min),
  ...le16(max),
  ...le16(0),
  ...le16(max - min + 1),
];
export const busNumbers = (min: number, max: number) => word(2, 0, min, max);
export const ioWindow = (min: number, max: number) => word(1, 3, min, max);
/** Non-cacheable, read-write. */
export const memoryWindow = (min: number, max: number): Aml => [
  0x87,
  ...le16(23),
  0,
  FIXED,
  1,
  ...le32(0),
  ...le32(min),
  ...le32(max),
  ...le32(0),
  ...le32(max - min + 1),
];
