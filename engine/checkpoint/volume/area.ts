/** The two areas that a volume's directory is written to by turns: the newest that is whole is the directory. */
import type { HostFile } from '../../ports/host-files.ts';
import type { Codec } from '../ports.ts';
import { decodeDirectory, type Directory } from './directory.ts';
import { hasText, putText, viewOf, type Header } from './header.ts';
import { AREAS, DIRECTORY_AT, DIRECTORY_MAGIC, RECORD_SIZE, SECTOR } from './layout.ts';

const GENERATION_AT = 8;
const LENGTH_AT = 16;
const DIRECTORY_CHECKSUM_AT = 20;
const UUID_AT = 24;
const CHECKSUM_AT = 60;

/** What a volume holds at one moment. */
export interface Generation {
  readonly number: number;
  /** Which of the areas it is in. */
  readonly area: number;
  readonly checksum: number;
  readonly directory: Directory;
}

interface Record {
  readonly number: number;
  readonly area: number;
  readonly length: number;
  readonly checksum: number;
}

export const areaAt = ({ directoryBytes }: Header, area: number): number => DIRECTORY_AT + area * directoryBytes;

/** An area's bytes, in whole sectors; undefined when the directory is larger than an area. */
export function encodeArea(header: Header, number: number, directory: Uint8Array, checksum: Codec['checksum']): Uint8Array | undefined {
  if (RECORD_SIZE + directory.length > header.directoryBytes) return undefined;
  const bytes = new Uint8Array(Math.ceil((RECORD_SIZE + directory.length) / SECTOR) * SECTOR);
  putText(bytes, DIRECTORY_MAGIC);
  const view = viewOf(bytes);
  view.setBigUint64(GENERATION_AT, BigInt(number), true);
  view.setUint32(LENGTH_AT, directory.length, true);
  view.setUint32(DIRECTORY_CHECKSUM_AT, checksum(directory), true);
  bytes.set(header.uuid, UUID_AT);
  view.setUint32(CHECKSUM_AT, checksum(bytes.subarray(0, CHECKSUM_AT)), true);
  bytes.set(directory, RECORD_SIZE);
  return bytes;
}

/** The newest generation that is whole; a text says what is wrong when none is. `known` is not read again. */
export function readNewest(device: HostFile, header: Header, checksum: Codec['checksum'], known?: Generation): Generation | string {
  const records = Array.from({ length: AREAS }, (_, area) => readRecord(device, header, area, checksum)).filter(
    record => record !== undefined,
  );
  let problem = 'it has no directory that is whole';
  for (const record of records.toSorted((a, b) => b.number - a.number)) {
    if (known !== undefined && record.number === known.number && record.area === known.area && record.checksum === known.checksum)
      return known;
    const bytes = new Uint8Array(record.length);
    device.read(bytes, areaAt(header, record.area) + RECORD_SIZE);
    if (checksum(bytes) !== record.checksum) continue;
    const directory = decodeDirectory(bytes, header.units, header.unitBytes);
    if (typeof directory !== 'string') return { ...record, directory };
    problem = directory;
  }
  return problem;
}

/** Whether the other area has one, too. If not, what was to come after this one was taken back; the disk may have it all the same. */
export function hasOther(device: HostFile, header: Header, { area }: Generation, checksum: Codec['checksum']): boolean {
  return readRecord(device, header, 1 - area, checksum) !== undefined;
}

function readRecord(device: HostFile, header: Header, area: number, checksum: Codec['checksum']): Record | undefined {
  const bytes = new Uint8Array(RECORD_SIZE);
  device.read(bytes, areaAt(header, area));
  const view = viewOf(bytes);
  if (!hasText(bytes, DIRECTORY_MAGIC) || view.getUint32(CHECKSUM_AT, true) !== checksum(bytes.subarray(0, CHECKSUM_AT))) return undefined;
  if (header.uuid.some((byte, at) => byte !== bytes[UUID_AT + at]!)) return undefined; // of a volume that was here before
  const record = {
    number: Number(view.getBigUint64(GENERATION_AT, true)),
    area,
    length: view.getUint32(LENGTH_AT, true),
    checksum: view.getUint32(DIRECTORY_CHECKSUM_AT, true),
  };
  return Number.isSafeInteger(record.number) && RECORD_SIZE + record.length <= header.directoryBytes ? record : undefined;
}
