/** Compares the counts of host clusters with the references to them: fewer than references is damage, more is lost room. */
import type { Qcow2Image } from './image.ts';
import { findReferences } from './references.ts';
import { Refcounts } from './refcount.ts';

export interface CheckReport {
  readonly path: string;
  /** Data may be lost, now or when the image is written. */
  readonly corruptions: number;
  /** Of the corruptions, how many refer to what is past the end of the file: it was cut. */
  readonly pastEnd: number;
  /** Clusters that nothing refers to: room that repair gives back. */
  readonly leaks: number;
  /** The first of them, in words. */
  readonly problems: readonly string[];
  readonly totalClusters: number;
  readonly allocatedClusters: number;
  readonly compressedClusters: number;
  readonly fragmentedClusters: number;
  readonly imageEndOffset: number;
}

const TOLD = 100;

/** Reads the file as it is: flush first. */
export function checkQcow2(image: Qcow2Image): CheckReport {
  const { clusterBytes, header, file, path } = image;
  const references = findReferences(image);
  const { counts, marks, marksAt } = references;
  const refcounts = new Refcounts(file, header, image.budget(), 'lenient');
  const problems: string[] = [];
  const tell = (words: () => string) => void (problems.length < TOLD && problems.push(words()));
  for (const { offset, problem } of references.problems) tell(() => `byte ${offset}: ${problem}`);
  let corruptions = references.problemCount;
  let leaks = 0;
  let imageEnd = 0;
  const compare = (cluster: number): void => {
    const has = refcounts.get(cluster);
    const should = counts.get(cluster);
    if (has > 0 || should > 0) imageEnd = Math.max(imageEnd, cluster + 1);
    if (has === should) return;
    if (has < should) corruptions++;
    else leaks++;
    tell(() => `cluster ${cluster}: ${should} references, ${has} counted${has > should ? ' (leaked)' : ''}`);
  };
  for (let index = 0; index * image.geometry.refcountsPerBlock < refcounts.covered; index++) {
    for (const cluster of refcounts.counted(index)) compare(cluster);
  }
  for (const cluster of counts.clusters()) if (refcounts.get(cluster) === 0) compare(cluster);
  for (const [index, mark] of marks.entries()) {
    const at = marksAt[index]!;
    const cluster = Math.floor(mark / 2);
    const copied = mark % 2 === 1;
    if (copied === (refcounts.get(cluster) === 1)) continue;
    corruptions++;
    tell(() => `byte ${at}: cluster ${cluster} is ${copied ? '' : 'not '}said to be used once, and ${copied ? 'is not' : 'is'}`);
  }
  return {
    path,
    corruptions,
    pastEnd: references.pastEnd,
    leaks,
    problems,
    totalClusters: Math.ceil(image.sizeBytes / clusterBytes),
    allocatedClusters: references.allocated,
    compressedClusters: references.compressed,
    fragmentedClusters: references.fragmented,
    imageEndOffset: imageEnd * clusterBytes,
  };
}
