/** What a thin-provisioned disk says about itself: READ CAPACITY and the vital product data pages of SBC-3 § 6.6. */
import type { Drive } from '../drive.ts';

export const BLOCK_BYTES = 512;
/** Bounds on one command, told in the block limits page. */
export const MAX_TRANSFER_BLOCKS = 0xffff; // 32 MiB
export const MAX_UNMAP_BLOCKS = 1 << 22; // 2 GiB
export const MAX_UNMAP_DESCRIPTORS = 256;
export const MAX_WRITE_SAME_BLOCKS = 1 << 14; // 8 MiB

const WSNZ = 1 << 0; // a count of 0 in WRITE SAME is refused
const UGAVALID = 0x80000000;
const NON_ROTATING = 1;
const LBPU = 1 << 7;
const LBPWS = 1 << 6;
const LBPWS10 = 1 << 5;
const LBPRZ_PAGE = 1 << 2;
const THIN = 2;
const LBPME = 1 << 7;
const LBPRZ = 1 << 6;
const BLOCK_PAGE_BYTES = 0x3c;

export function blockLimits(drive: Drive): Uint8Array {
  const page = new Uint8Array(BLOCK_PAGE_BYTES);
  const view = new DataView(page.buffer, 0);
  const at = (offset: number) => offset - 4; // the standard counts from the page's header
  const cluster = Math.max(1, Math.floor(drive.clusterBytes / BLOCK_BYTES));
  page[at(4)] = WSNZ;
  view.setUint16(at(6), Math.min(cluster, 0xffff));
  view.setUint32(at(8), MAX_TRANSFER_BLOCKS);
  if (!drive.readOnly) {
    view.setUint32(at(20), MAX_UNMAP_BLOCKS);
    view.setUint32(at(24), MAX_UNMAP_DESCRIPTORS);
    view.setUint32(at(28), cluster);
    view.setUint32(at(32), UGAVALID); // clusters begin at block 0
    view.setBigUint64(at(36), BigInt(MAX_WRITE_SAME_BLOCKS));
  }
  return page;
}

export function blockCharacteristics(): Uint8Array {
  const page = new Uint8Array(BLOCK_PAGE_BYTES);
  page[1] = NON_ROTATING;
  return page;
}

export function provisioning(drive: Drive): Uint8Array {
  return drive.readOnly ? Uint8Array.of(0, 0, 0, 0) : Uint8Array.of(0, LBPU | LBPWS | LBPWS10 | LBPRZ_PAGE, THIN, 0);
}

/** READ CAPACITY (10): a last block beyond 32 bits says that the 16-byte form knows. */
export function capacity10(blocks: number, blockBytes: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.min(blocks - 1, 0xffffffff));
  view.setUint32(4, blockBytes);
  return bytes;
}

/** READ CAPACITY (16): what is unmapped reads as zeros. */
export function capacity16(drive: Drive): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(drive.sizeBytes / BLOCK_BYTES - 1));
  view.setUint32(8, BLOCK_BYTES);
  if (!drive.readOnly) bytes[14] = LBPME | LBPRZ;
  return bytes;
}
