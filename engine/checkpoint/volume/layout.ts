/**
 * The checkpoint volume's layout, version 1 (docs/formats/checkpoint-volume.md). Little-endian throughout.
 *
 *   0             header (64)
 *   4096          directory, area A
 *   4096 + size   directory, area B
 *   data start    units
 */
export const MAGIC = 'CAIRNVOL';
export const VERSION = 1;
export const HEADER_SIZE = 64;

export const DIRECTORY_MAGIC = 'CAIRNDIR';
/** Where the first of the two areas begins. */
export const DIRECTORY_AT = 4096;
export const AREAS = 2;
/** What an area begins with; the directory itself follows. */
export const RECORD_SIZE = 64;
/** An area is written in whole sectors. */
export const SECTOR = 512;

export const UUID_SIZE = 16;
export const EXTENT_SIZE = 12;

/** What a new volume has. */
export const NEW_UNIT_BYTES = 64 << 10;
export const MIN_UNIT_BYTES = 4 << 10;
export const MAX_UNIT_BYTES = 16 << 20;
export const MIN_VOLUME_BYTES = 1 << 20;
/** A directory is read whole: this bounds what a reader allocates for a volume that nobody vouches for. */
export const MAX_DIRECTORY_BYTES = 4 << 20;
export const MAX_FOLDERS = 4096;
export const MAX_FILES = 65_536;
export const MAX_NAME_BYTES = 255;
