/** The volume's header: written when the volume is made, and never again. */
import type { Codec } from '../ports.ts';
import {
  AREAS,
  DIRECTORY_AT,
  HEADER_SIZE,
  MAGIC,
  MAX_DIRECTORY_BYTES,
  MAX_UNIT_BYTES,
  MIN_UNIT_BYTES,
  MIN_VOLUME_BYTES,
  NEW_UNIT_BYTES,
  RECORD_SIZE,
  SECTOR,
  UUID_SIZE,
  VERSION,
} from './layout.ts';

const UNIT_AT = 12;
const SIZE_AT = 16;
const DIRECTORY_BYTES_AT = 24;
const DATA_AT = 32;
const UNITS_AT = 40;
const UUID_AT = 44;
const CHECKSUM_AT = 60;

export interface Geometry {
  readonly sizeBytes: number;
  readonly unitBytes: number;
  /** Of each of the two areas. */
  readonly directoryBytes: number;
  /** Where unit 0 begins. */
  readonly dataAt: number;
  readonly units: number;
}

export interface Header extends Geometry {
  readonly uuid: Uint8Array;
}

/** The geometry of a new volume; undefined when there is no room for one. */
export function geometryFor(sizeBytes: number): Geometry | undefined {
  if (sizeBytes < MIN_VOLUME_BYTES) return undefined;
  const unitBytes = NEW_UNIT_BYTES;
  const directoryBytes = Math.min(MAX_DIRECTORY_BYTES, Math.ceil(sizeBytes / 1024 / unitBytes) * unitBytes);
  const dataAt = Math.ceil((DIRECTORY_AT + AREAS * directoryBytes) / unitBytes) * unitBytes;
  const units = Math.min(0xffff_ffff, Math.floor((sizeBytes - dataAt) / unitBytes));
  return { sizeBytes, unitBytes, directoryBytes, dataAt, units };
}

export function encodeHeader(
  { sizeBytes, unitBytes, directoryBytes, dataAt, units, uuid }: Header,
  checksum: Codec['checksum'],
): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  putText(bytes, MAGIC);
  const view = viewOf(bytes);
  view.setUint32(8, VERSION, true);
  view.setUint32(UNIT_AT, unitBytes, true);
  view.setBigUint64(SIZE_AT, BigInt(sizeBytes), true);
  view.setBigUint64(DIRECTORY_BYTES_AT, BigInt(directoryBytes), true);
  view.setBigUint64(DATA_AT, BigInt(dataAt), true);
  view.setUint32(UNITS_AT, units, true);
  bytes.set(uuid, UUID_AT);
  view.setUint32(CHECKSUM_AT, checksum(bytes.subarray(0, CHECKSUM_AT)), true);
  return bytes;
}

/** A well-formed header, every place in it within the volume; a text says what is wrong with it. */
export function decodeHeader(bytes: Uint8Array, checksum: Codec['checksum']): Header | string {
  if (!isVolume(bytes)) return 'it does not begin like one';
  const view = viewOf(bytes);
  if (view.getUint32(CHECKSUM_AT, true) !== checksum(bytes.subarray(0, CHECKSUM_AT))) return 'its header does not match its checksum';
  if (view.getUint32(8, true) !== VERSION)
    return `it was made by another Cairn: its format is ${view.getUint32(8, true)}, and this one reads ${VERSION}`;
  const header = {
    sizeBytes: Number(view.getBigUint64(SIZE_AT, true)),
    unitBytes: view.getUint32(UNIT_AT, true),
    directoryBytes: Number(view.getBigUint64(DIRECTORY_BYTES_AT, true)),
    dataAt: Number(view.getBigUint64(DATA_AT, true)),
    units: view.getUint32(UNITS_AT, true),
    uuid: bytes.slice(UUID_AT, UUID_AT + UUID_SIZE),
  };
  return isSound(header) ? header : 'the sizes in its header are not valid';
}

export function isVolume(start: Uint8Array): boolean {
  return start.length >= HEADER_SIZE && hasText(start, MAGIC);
}

function isSound({ sizeBytes, unitBytes, directoryBytes, dataAt, units }: Header): boolean {
  return (
    Number.isSafeInteger(sizeBytes) &&
    unitBytes >= MIN_UNIT_BYTES &&
    unitBytes <= MAX_UNIT_BYTES &&
    (unitBytes & (unitBytes - 1)) === 0 &&
    directoryBytes > RECORD_SIZE &&
    directoryBytes <= MAX_DIRECTORY_BYTES &&
    directoryBytes % SECTOR === 0 &&
    dataAt >= DIRECTORY_AT + AREAS * directoryBytes &&
    dataAt % unitBytes === 0 &&
    dataAt + units * unitBytes <= sizeBytes
  );
}

export function putText(bytes: Uint8Array, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
}
export function hasText(bytes: Uint8Array, text: string): boolean {
  return [...text].every((char, i) => bytes[i] === char.charCodeAt(0));
}
export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
