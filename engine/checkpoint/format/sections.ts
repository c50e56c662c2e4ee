/** Header, section records and commit record of a checkpoint file: the fixed-size parts. */
import type { Codec } from '../ports.ts';
import {
  AUTHENTICATION_AT,
  CIPHER_OVERHEAD,
  CODEC_RAW,
  CODEC_ZSTD,
  COMMIT_MAGIC,
  COMMIT_SIZE,
  HEADER_SIZE,
  KEY_PARAMETERS_AT,
  MAGIC,
  SECTION_LIMIT,
  SECTION_RECORD,
  SECTION_RECORDS_AT,
  SECTIONS,
  VERSION,
  VERSION_ENCRYPTED,
  type SectionName,
} from './layout.ts';
import { PAGE_SIZE } from '../../memory/layout.ts';

export interface SectionRecord {
  readonly codec: number;
  readonly offset: number;
  readonly storedLength: number;
  readonly rawLength: number;
  readonly checksum: number;
}
export type SectionRecords = Readonly<Record<SectionName, SectionRecord>>;

function putText(bytes: Uint8Array, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
}
function hasText(bytes: Uint8Array, text: string): boolean {
  return [...text].every((char, i) => bytes[i] === char.charCodeAt(0));
}
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** `parameters`: of the key, for an encrypted file. */
export function encodeHeader(codec: Codec, parameters?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  putText(bytes, MAGIC);
  const view = viewOf(bytes);
  view.setUint32(8, parameters ? VERSION_ENCRYPTED : VERSION, true);
  if (parameters) bytes.set(parameters, KEY_PARAMETERS_AT);
  view.setUint32(12, PAGE_SIZE, true);
  view.setUint32(HEADER_SIZE - 4, codec.checksum(bytes.subarray(0, HEADER_SIZE - 4)), true);
  return bytes;
}

/** The version of a well-formed header; a text says what is wrong with it. */
export function decodeHeader(bytes: Uint8Array, codec: Codec): number | string {
  if (!hasText(bytes, MAGIC)) return 'it does not begin like one';
  const view = viewOf(bytes);
  if (view.getUint32(HEADER_SIZE - 4, true) !== codec.checksum(bytes.subarray(0, HEADER_SIZE - 4)))
    return 'its header does not match its checksum';
  if (view.getUint32(12, true) !== PAGE_SIZE) return 'its pages have another size';
  return view.getUint32(8, true);
}

export function encodeCommit(sections: SectionRecords, sizeBytes: number, codec: Codec, authentication?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(COMMIT_SIZE);
  putText(bytes, COMMIT_MAGIC);
  const view = viewOf(bytes);
  view.setBigUint64(8, BigInt(sizeBytes), true);
  view.setUint32(16, SECTIONS.length, true);
  SECTIONS.forEach((name, index) => {
    const at = SECTION_RECORDS_AT + index * SECTION_RECORD;
    const section = sections[name];
    view.setUint32(at, index + 1, true);
    view.setUint32(at + 4, section.codec, true);
    view.setBigUint64(at + 8, BigInt(section.offset), true);
    view.setUint32(at + 16, section.storedLength, true);
    view.setUint32(at + 20, section.rawLength, true);
    view.setUint32(at + 24, section.checksum, true);
  });
  if (authentication) bytes.set(authentication, AUTHENTICATION_AT);
  view.setUint32(COMMIT_SIZE - 4, codec.checksum(bytes.subarray(0, COMMIT_SIZE - 4)), true);
  return bytes;
}

export const commitChecksum = (commit: Uint8Array): number => viewOf(commit).getUint32(COMMIT_SIZE - 4, true);

/** The section records, each within its limit; a text says what is wrong. */
export function decodeCommit(bytes: Uint8Array, sizeBytes: number, codec: Codec, isEncrypted: boolean): SectionRecords | string {
  if (!hasText(bytes, COMMIT_MAGIC)) return 'it has no end: it was cut off';
  const view = viewOf(bytes);
  if (commitChecksum(bytes) !== codec.checksum(bytes.subarray(0, COMMIT_SIZE - 4))) return 'its commit record does not match its checksum';
  if (view.getBigUint64(8, true) !== BigInt(sizeBytes)) return 'it has another length than it says';
  if (view.getUint32(16, true) !== SECTIONS.length) return 'its commit record lists other sections';
  const sections: Partial<Record<SectionName, SectionRecord>> = {};
  for (const [index, name] of SECTIONS.entries()) {
    const at = SECTION_RECORDS_AT + index * SECTION_RECORD;
    const offset = view.getBigUint64(at + 8, true);
    const section = {
      codec: view.getUint32(at + 4, true),
      offset: Number(offset),
      storedLength: view.getUint32(at + 16, true),
      rawLength: view.getUint32(at + 20, true),
      checksum: view.getUint32(at + 24, true),
    };
    const packedLength = section.storedLength - (isEncrypted && name === 'devices' ? CIPHER_OVERHEAD : 0);
    const lengthFits =
      section.codec === CODEC_RAW ? packedLength === section.rawLength : section.codec === CODEC_ZSTD && packedLength < section.rawLength;
    if (view.getUint32(at, true) !== index + 1 || offset > BigInt(sizeBytes) || !lengthFits || section.rawLength > SECTION_LIMIT[name]) {
      return `its record of the section “${name}” is not valid`;
    }
    sections[name] = section;
  }
  return sections as SectionRecords;
}
