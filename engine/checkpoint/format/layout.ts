/**
 * The checkpoint file's layout, version 1 (docs/formats/checkpoint.md). Little-endian throughout.
 *
 *   header (64) | device state | page groups… | metadata | files | group table | page index | disk pointers | commit record (256)
 */
export const HEADER_SIZE = 64;
export const MAGIC = 'CAIRNCKP';
export const VERSION = 1;
/** An encrypted file: readers that know only version 1 must refuse it. */
export const VERSION_ENCRYPTED = 2;
/** Where the header of an encrypted file has its key parameters. */
export const KEY_PARAMETERS_AT = 16;
export const KEY_PARAMETERS = 44;
/** What encryption makes a page group, or the device section, longer by. */
export const CIPHER_OVERHEAD = 16;
/** Where the commit record of an encrypted file has the authentication of its tables. */
export const AUTHENTICATION_AT = 216;
export const AUTHENTICATION = 32;

export const COMMIT_SIZE = 256;
export const COMMIT_MAGIC = 'CAIRNEND';

/** Kinds of sections; each occurs once, and the commit record lists them in this order. */
export const SECTIONS = ['devices', 'metadata', 'files', 'groups', 'index', 'disks'] as const;
export type SectionName = (typeof SECTIONS)[number];

/** What the authentication of an encrypted file covers, in this order. */
export const AUTHENTICATED: readonly SectionName[] = ['metadata', 'files', 'groups', 'index', 'disks'];

/** The most that a section may hold once decompressed: what a reader allocates for a file that nobody vouches for. */
export const SECTION_LIMIT: Readonly<Record<SectionName, number>> = {
  devices: 64 << 20,
  metadata: 64 << 10,
  files: 4 << 20,
  groups: 24 << 20,
  index: 8 << 20,
  disks: 1 << 20,
};
export const SECTION_RECORD = 32;
export const SECTION_RECORDS_AT = 24;

export const CODEC_RAW = 0;
export const CODEC_ZSTD = 1;

export const GROUP_SHIFT = 6;
export const GROUP_PAGES = 1 << GROUP_SHIFT;
export const GROUP_RECORD = 24;
export const MAX_GROUPS = 1 << 20;

/** Page index: what a GPPN is. POINTED + n means: in file n of the files table. */
export const INDEX_ABSENT = 0;
export const INDEX_ZERO = 1;
export const INDEX_STORED = 2;
export const INDEX_POINTED = 3;
export const MAX_GPPNS = 1 << 20;
export const MAX_FILES = 16384;
export const MAX_DISKS = 64;
