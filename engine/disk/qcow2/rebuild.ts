/** Reference counts made anew from the tables: after a crash of a program that kept them lazily, and to take back leaks. */
import { DiskFormatError } from '../../errors/errors.ts';
import type { Qcow2Image } from './image.ts';
import { findReferences, refuseProblems, type ClusterCounts } from './references.ts';

/** In memory; the caller writes them. */
export function rebuildRefcounts(image: Qcow2Image): void {
  const references = findReferences(image);
  refuseProblems(image, references);
  const refcounts = image.refcounts!;
  const { refcountsPerBlock } = image.geometry;
  const { counts } = references;
  if (counts.end > refcounts.covered)
    throw new DiskFormatError('DISK_FORMAT', image.path, 'its tables refer past the end of its reference counts. The image is damaged.');
  for (let index = 0; index * refcountsPerBlock < refcounts.covered; index++) {
    for (const cluster of refcounts.counted(index))
      if (refcounts.get(cluster) !== counts.get(cluster)) refcounts.set(cluster, counts.get(cluster));
  }
  for (const cluster of counts.clusters()) {
    const index = Math.floor(cluster / refcountsPerBlock);
    const from = index * refcountsPerBlock;
    if (refcounts.blockOffset(index) === 0) refcounts.addBlock(index, from + freePlace(image.path, counts, from, refcountsPerBlock));
    if (refcounts.get(cluster) !== counts.get(cluster)) refcounts.set(cluster, counts.get(cluster));
  }
}

/** A missing block goes to the first free cluster of those that it covers. */
function freePlace(path: string, counts: ClusterCounts, from: number, length: number): number {
  for (let i = 0; i < length; i++) if (counts.get(from + i) === 0) return i;
  throw new DiskFormatError('DISK_REFCOUNT', path, 'there is no room to rebuild its reference counts: convert the image.');
}
