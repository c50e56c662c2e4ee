/**
 * How chains are kept short where a checkpoint needs every layer, so that none can be merged with another: pure. A layer some way up gets a copy of what it reads from a
 * run of layers below it, and is put on what lies below the run:
 *
 *   base ← 1 ← 2 ← 3 ← 4 ← 5 ← top            base ← 1 ← 2 ← 3
 *                                     →            ↖ 4' ← 5 ← top        4' reads as 4 did
 *
 * A run has a quarter of the wanted depth, and is one of layers that have about the same size. So layers without copies come first, then those with one, and so on: what is copied in
 * the life of a chain of n layers is about what they hold, times the logarithm of n to the base of a run's length.
 */
import type { PlannedLayer } from './plan.ts';

/** Files in a chain, the base and the top among them. */
export const DEFAULT_DEPTH = 64;
/** A price that is higher by no more than this is as good, so that the least is copied. */
const ABOUT_AS_GOOD = 1.25;
/** With fewer, each layer would be copied many times. */
export const LEAST_DEPTH = 8;
export const MOST_DEPTH = 4096;

export interface Shortening {
  readonly layer: PlannedLayer;
  /** The lowest of the layers that drop out of its chain. */
  readonly through: PlannedLayer;
}

export interface DepthRules {
  readonly depth: number;
  /** May its file be written, and be put on another? */
  mayChange(layer: PlannedLayer): boolean;
  mayDrop(layer: PlannedLayer): boolean;
}

/** The best next copy; undefined when no chain has more files than it is to have, or nothing can be done about it. */
export function shortening(layers: readonly PlannedLayer[], rules: DepthRules): Shortening | undefined {
  const chain = deepest(layers);
  return chain.files > rules.depth ? best(chain.layers, rules) : undefined;
}

/** How many files the longest chain has. */
export const deepestChain = (layers: readonly PlannedLayer[]): number => deepest(layers).files;

/** The longest chain, its lowest layer first. What hangs in a circle is in none. */
function deepest(layers: readonly PlannedLayer[]): { readonly layers: readonly PlannedLayer[]; readonly files: number } {
  const above = Map.groupBy(layers, ({ on }) => on);
  let found = { files: 0, tip: undefined as PlannedLayer | undefined };
  const open = [...roots(above, 'base', 2), ...roots(above, 'nothing', 1)];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { tip, files } = next;
    if (files > found.files) found = next;
    for (const child of above.get(tip.id) ?? []) open.push({ tip: child, files: files + 1 });
  }
  const byId = new Map(layers.map(layer => [layer.id as string, layer]));
  const chain: PlannedLayer[] = [];
  for (let at = found.tip; at !== undefined; at = byId.get(at.on)) chain.push(at);
  return { layers: chain.toReversed(), files: found.files };
}

const roots = (above: ReadonlyMap<string, readonly PlannedLayer[]>, on: 'base' | 'nothing', files: number) =>
  (above.get(on) ?? []).map(tip => ({ tip, files }));

/** A run of layers that drop out below `layer`. */
interface Candidate extends Shortening {
  /** What is copied. */
  readonly bytes: number;
  /** What is copied for what is won: the more alike the sizes are of what becomes one, the less. */
  readonly price: number;
}

function best(chain: readonly PlannedLayer[], rules: DepthRules): Shortening | undefined {
  const candidates = candidatesIn(chain, rules);
  const lowest = candidates.reduce((least, { price }) => Math.min(least, price), Infinity);
  const [first, ...others] = candidates.filter(({ price }) => price <= lowest * ABOUT_AS_GOOD);
  return others.reduce((found, next) => (next.bytes < found!.bytes ? next : found), first);
}

/**
 * By the sizes s of what becomes one layer of size S, Σ s log(S / s) is won: over the life of a chain that adds up to no more than its size times the logarithm of its length, so a low price
 * for each bounds what is copied in all. Going by the bytes alone, one layer would be copied again with each few that come after it.
 */
function candidatesIn(chain: readonly PlannedLayer[], { depth, mayChange, mayDrop }: DepthRules): Candidate[] {
  const run = Math.max(1, Math.min(Math.floor(depth / 4), chain.length - 2));
  const found: Candidate[] = [];
  let [bytes, weight, from] = [0, 0, 0]; // of chain[from] to the one below the one that is looked at
  for (const [at, layer] of chain.entries()) {
    if (at - from > run) {
      const { fileBytes } = chain[from++]!;
      bytes -= fileBytes;
      weight -= weightOf(fileBytes);
    }
    if (at - from === run && mayChange(layer)) {
      const won = weightOf(bytes + layer.fileBytes) - weight - weightOf(layer.fileBytes);
      found.push({ layer, through: chain[from]!, bytes, price: bytes / Math.max(won, 1) });
    }
    bytes += layer.fileBytes;
    weight += weightOf(layer.fileBytes);
    if (!mayDrop(layer)) [bytes, weight, from] = [0, 0, at + 1];
  }
  return found;
}

const weightOf = (bytes: number): number => bytes * Math.log(Math.max(1, bytes));
