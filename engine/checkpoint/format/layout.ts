/**
 * The checkpoint file's layout, version 1 (docs/formats/checkpoint.md). Little-endian throughout.
 *
 *   header (64) | device state | page groups… | metadata | files | group table | page index | disk pointers | commit record (256)
 */
export const HEADER_SIZE = 64;
export const MAGIC = 'CAIRNCKP';
export const VERSION = 1;

export const COMMIT_SIZE = 256;
export const COMMIT_MAGIC = 'CAIRNEND';

/** Kinds of sections; each occurs once, and the commit record lists them in this order. */
export const SECTIONS = ['devices', 'metadata', 'files', 'groups', 'index', 'disks'] as const;
export type SectionName = (typeof SECTIONS)[number];

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

export const GROUP_PAGES = 64;
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
