/**
 * Is the file as long as its tables say? What is past the end of a file would read as zeroes, so nobody would notice that it was cut: a download or a copy
 * that ended early. Opening looks at all tables of the first level, and at the counts: what is referred to is counted. Only when clusters past the end
 * are counted, as also a crash may leave them, or when the counts are not kept up, each level 2 table is read.
 */
import { DiskFormatError } from '../../errors/errors.ts';
import type { HostFile } from '../../ports/host-files.ts';
import { isZero } from '../block.ts';
import { INCOMPATIBLE, getU64 } from './format.ts';
import { hasFeature } from './header.ts';
import type { Qcow2Image } from './image.ts';
import { decodeEntry, isCutOff } from './l2.ts';
import { getCount } from './refcount.ts';
import { Table } from './table.ts';

const ADVICE =
  'A part of it is missing: get it whole again from where it came from, or from a backup (`cairn disk check` says what is missing).';

/** Bytes of a table that are passed over at once where they are zero: every layer of a chain is looked at when it is opened. */
const SKIPPED = 512;

/** `what` is past the end of the file, as the field at `offset` says. */
export function cutOff(file: HostFile, what: string, offset: number): DiskFormatError {
  return new DiskFormatError('DISK_CUT', file.path, `the file ends at byte ${file.size()}, and ${what} is past that. ${ADVICE}`, offset);
}

/** Throws DiskFormatError when something that the image refers to is past the end of the file. */
export function refuseCut(image: Qcow2Image): void {
  if (countsPastEnd(image) || hasFeature(image.header, INCOMPATIBLE.dirty)) refuseCutClusters(image);
}

/** Whether a cluster past the end is counted. */
function countsPastEnd({ file, header, geometry }: Qcow2Image): boolean {
  const { clusterBytes, refcountsPerBlock, refcountBits } = geometry;
  const fileBytes = file.size();
  const table = Table.read(file, header.refcountTableOffset, header.refcountTableClusters * clusterBytes);
  const firstPast = Math.ceil(fileBytes / clusterBytes);
  const looked = new Set<number>();
  let found = false;
  for (let at = 0; at < table.bytes.length; at += 8) {
    if (at % SKIPPED === 0 && isZero(table.bytes.subarray(at, at + SKIPPED))) {
      at += SKIPPED - 8;
      continue;
    }
    const offset = getU64(table.view, at);
    if (offset === 0) continue;
    if (offset + clusterBytes > fileBytes) throw cutOff(file, 'a block of reference counts', table.offset + at);
    const first = Math.max(0, firstPast - (at / 8) * refcountsPerBlock);
    if (found || first >= refcountsPerBlock || (first === 0 && looked.has(offset))) continue;
    if (first === 0) looked.add(offset);
    const block = Table.read(file, offset, clusterBytes);
    let i = first;
    for (; i < refcountsPerBlock && (i * refcountBits) % 8 !== 0 && !found; i++) found = getCount(block, i, refcountBits) !== 0;
    found ||= !isZero(block.bytes.subarray((i * refcountBits) / 8));
  }
  return found;
}

/** Looks at every cluster that a guest can read. */
function refuseCutClusters({ file, header, geometry, mapping }: Qcow2Image): void {
  const fileBytes = file.size();
  const looked = new Set<number>();
  for (let index = 0; index < header.l1Entries; index++) {
    const { offset } = mapping.l1Entry(index);
    if (offset === 0 || looked.has(offset)) continue;
    looked.add(offset);
    const table = Table.read(file, offset, geometry.clusterBytes);
    for (let i = 0; i < geometry.l2Entries; i++) {
      const cluster = decodeEntry(table, i, geometry, header.version);
      if (cluster !== undefined && isCutOff(cluster, fileBytes)) throw cutOff(file, 'a cluster', offset + i * geometry.l2EntryBytes);
    }
  }
}
