/**
 * What is to be done so that a disk's files are what is needed and no more (METHOD.md figs. 4B-4D, 5A-5E, § 131): pure, from what the files say. Every
 * step can be done at once, stopped anywhere, and done again; after it, the plan is made anew. Nothing is kept from one plan to the next.
 *
 * A state is *needed* when a checkpoint points to it or a linked clone lies on it. A file is *on* the file that its backing name leads to.
 */
import { shortening } from './depth.ts';
import type { DiskMode, LayerId, Top } from './descriptor.ts';

export interface PlannedLayer {
  readonly id: LayerId;
  readonly parentId: LayerId | undefined;
  readonly on: Top | 'nothing';
  readonly carries: LayerId;
  /** For choosing the cheaper of two ways. */
  readonly fileBytes: number;
  readonly hasSum: boolean;
}

export interface GraphFacts {
  readonly mode: DiskMode;
  readonly top: Top;
  /** A VM writes to the top while the steps are done. */
  readonly running: boolean;
  readonly base:
    | {
        readonly content: LayerId;
        readonly becoming: LayerId | undefined;
        /** The disk's own, or the user allows it. */
        readonly writable: boolean;
      }
    | undefined;
  readonly layers: readonly PlannedLayer[];
  /** Checkpoints point to these states. */
  readonly pointed: ReadonlySet<LayerId>;
  /** Linked clones lie on these, by the path of the file: that file stays what and where it is. */
  readonly pinned: ReadonlySet<LayerId>;
  /** Somebody has files of the disk open that this plan's steps cannot give other parents: the base is not written. */
  readonly read: boolean;
  /** How many files a chain is to have at most. */
  readonly depth: number;
}

export type Step =
  /** Nothing needs the file. */
  | { readonly kind: 'delete'; readonly layer: LayerId }
  /** The layer reads the same on another file that is the same state. */
  | { readonly kind: 'repoint'; readonly layer: LayerId; readonly to: Top }
  /** The layer is committed into the file that it lies on, which takes its name. */
  | { readonly kind: 'merge'; readonly layer: LayerId; readonly into: LayerId }
  /** What the layer reads from the file that it lies on is copied up, and it is put on that file's parent. */
  | { readonly kind: 'pull-up'; readonly layer: LayerId; readonly from: LayerId }
  /**
   * The layer gets a copy of all that it reads from the layers below it down to `through`, and is put on what that one lies on. They stay, for others need them; the chains of whatever is
   * above have so many files less.
   */
  | { readonly kind: 'shorten'; readonly layer: LayerId; readonly through: LayerId }
  /** The layer is committed into the base, which becomes that state. */
  | { readonly kind: 'commit-base'; readonly layer: LayerId }
  /** The base's state gets a file of its own. */
  | { readonly kind: 'copy-base'; readonly state: LayerId }
  /** A new base of the disk's own, with this state. */
  | { readonly kind: 'new-base'; readonly state: LayerId }
  /** Nothing lies on the base any more. */
  | { readonly kind: 'drop-base' }
  /** Fig. 3F to its end: the VM goes on in the base itself. */
  | { readonly kind: 'land-top' }
  /** The layer's checksum is made, or made anew after a merge. */
  | { readonly kind: 'checksum'; readonly layer: LayerId };

/** The steps that can be done now, the best first. None: all is as it should be. */
export function plan(facts: GraphFacts): Step[] {
  const graph = new Graph(facts);
  const unfinished = graph.unfinished();
  if (unfinished !== undefined) return [unfinished];
  const files = facts.mode === 'chain' ? graph.chain() : graph.copies();
  const steps = [...graph.deletions(), ...files, ...graph.merges(), ...graph.shortenings(), ...graph.sums()];
  return facts.read ? steps.filter(({ kind }) => kind !== 'commit-base' && kind !== 'land-top') : steps;
}

class Graph {
  private readonly facts: GraphFacts;
  private readonly layers: ReadonlyMap<LayerId, PlannedLayer>;
  private readonly childrenOf: ReadonlyMap<Top | 'nothing', PlannedLayer[]>;
  /** The files through which the VM reads, the top first, without the base. */
  private readonly spine: ReadonlySet<PlannedLayer>;
  private readonly lowestOfSpine: PlannedLayer | undefined;
  private readonly spineEndsAtBase: boolean;

  constructor(facts: GraphFacts) {
    this.facts = facts;
    this.layers = new Map(facts.layers.map(layer => [layer.id, layer]));
    this.childrenOf = Map.groupBy(facts.layers, ({ on }) => on);
    const spine = new Set<PlannedLayer>();
    let at: Top | 'nothing' = facts.top;
    for (let layer = this.layers.get(at); layer !== undefined && !spine.has(layer); layer = this.layers.get(at)) {
      spine.add(layer);
      this.lowestOfSpine = layer;
      at = layer.on;
    }
    this.spine = spine;
    this.spineEndsAtBase = at === 'base';
  }

  private children(of: Top | 'nothing'): readonly PlannedLayer[] {
    return this.childrenOf.get(of) ?? [];
  }

  private isNeeded(id: LayerId): boolean {
    return this.facts.pointed.has(id) || this.facts.pinned.has(id);
  }

  /** A linked clone lies on the base itself: it may neither be written nor go. */
  private get baseIsPinned(): boolean {
    const { base, pinned } = this.facts;
    return base !== undefined && pinned.has(base.content) && !this.layers.has(base.content);
  }

  private get anyNeeded(): boolean {
    return this.facts.pointed.size > 0 || this.facts.pinned.size > 0;
  }

  /** It was committed into the base, which is the same state now; it is still on it, and hides what it changed. */
  private isSameAsBase({ id, on }: PlannedLayer): boolean {
    return on === 'base' && this.facts.base?.content === id;
  }

  /** The file of a state, apart from the base. */
  private copyOf(id: LayerId): PlannedLayer | undefined {
    const layer = this.layers.get(id);
    return layer !== undefined && !this.isSameAsBase(layer) ? layer : undefined;
  }

  /** Work that may not wait: until it is done, files are between two states. */
  unfinished(): Step | undefined {
    const merging = this.facts.layers.find(({ id, carries }) => carries !== id);
    if (merging !== undefined) return { kind: 'merge', layer: merging.carries, into: merging.id };
    const becoming = this.facts.base?.becoming;
    if (becoming === undefined) return undefined;
    return becoming === this.facts.top ? { kind: 'land-top' } : { kind: 'commit-base', layer: becoming };
  }

  *deletions(): Generator<Step> {
    const { mode, top, base, pinned } = this.facts;
    for (const layer of this.facts.layers) {
      const { id } = layer;
      if (id === top || this.children(id).length > 0 || pinned.has(id)) continue;
      // The next layer that is put aside goes on the copy of what the base is now.
      const waits = mode !== 'chain' && base?.content === id && this.anyNeeded && !this.isSameAsBase(layer);
      const unused = !this.isNeeded(id) && !waits;
      if (unused || (mode === 'chain' && this.isSameAsBase(layer))) yield { kind: 'delete', layer: id };
    }
  }

  /** Second implementation. */
  *chain(): Generator<Step> {
    const { base, top, pinned } = this.facts;
    yield* this.ontoBase();
    if (base === undefined || top === 'base' || this.baseIsPinned) return;
    const copy = this.copyOf(base.content);
    const onBase = this.children('base');
    if (copy !== undefined) for (const { id } of onBase) yield { kind: 'repoint', layer: id, to: copy.id };
    if (onBase.length === 0 && (copy !== undefined || !this.isNeeded(base.content))) yield { kind: 'drop-base' };
    const [only, ...others] = onBase;
    if (only === undefined || others.length > 0 || copy !== undefined || this.isSameAsBase(only)) return;
    if (!base.writable || this.isNeeded(base.content) || only.id === top || pinned.has(only.id)) return;
    yield { kind: 'commit-base', layer: only.id };
  }

  /** First and third implementation. */
  *copies(): Generator<Step> {
    const { base, top, mode } = this.facts;
    const topLayer = this.layers.get(top);
    if (top === 'base' || topLayer === undefined) return;
    const { commits } = this;
    const lands = mode === 'full-copy' && commits;
    if (!this.anyNeeded && !(this.spine.size > 1 && commits) && !lands) return;
    const first = [...this.ontoBase(), ...this.aside()];
    yield* first;
    if (first.length > 0) return;
    const onBase = this.children('base');
    const lowest = this.lowestOfSpine!;
    if (commits) {
      if (onBase.some(layer => layer !== lowest)) return;
      if (lowest !== topLayer) yield { kind: 'commit-base', layer: lowest.id };
      else if (lands) yield { kind: 'land-top' };
    } else if (topLayer.parentId !== undefined && onBase.length === 0 && !this.baseIsPinned) {
      const isThere = base?.content === topLayer.parentId && base.writable;
      yield isThere ? { kind: 'repoint', layer: topLayer.id, to: 'base' } : { kind: 'new-base', state: topLayer.parentId };
    }
  }

  /** May the VM's own chain be committed into the base? */
  private get commits(): boolean {
    return this.facts.base !== undefined && this.facts.base.writable && this.spineEndsAtBase && !this.baseIsPinned;
  }

  /** The layers above one that was committed into the base go on the base: in a chain all, else the VM's own. */
  private *ontoBase(): Generator<Step> {
    const { mode } = this.facts;
    for (const committed of this.children('base').filter(layer => this.isSameAsBase(layer))) {
      const apart = mode !== 'chain' && this.copyOf(committed.parentId ?? '') !== undefined;
      for (const layer of this.children(committed.id))
        if (!apart || this.spine.has(layer)) yield { kind: 'repoint', layer: layer.id, to: 'base' };
    }
  }

  /** What checkpoints need goes on copies that the VM's commits don't touch (figs. 5A, 5C). */
  private *aside(): Generator<Step> {
    const { base } = this.facts;
    if (base === undefined) return;
    const { content } = base;
    const copy = this.copyOf(content);
    const lowest = this.commits ? this.lowestOfSpine : undefined;
    let needsCopy = this.isNeeded(content) || (lowest !== undefined && lowest.id !== this.facts.top && this.isKept(lowest));
    for (const layer of this.children('base')) {
      if (layer === lowest && !this.isSameAsBase(layer)) continue;
      const to = this.isSameAsBase(layer) ? this.copyOf(layer.parentId ?? '') : copy;
      if (to !== undefined) yield { kind: 'repoint', layer: layer.id, to: to.id };
      else if (!this.isSameAsBase(layer)) needsCopy = true;
      else if (this.children(layer.id).length === 0) yield { kind: 'delete', layer: layer.id };
    }
    if (needsCopy && this.layers.get(content) === undefined) yield { kind: 'copy-base', state: content };
  }

  /** Does somebody other than the VM's own chain read through it? */
  private isKept(layer: PlannedLayer): boolean {
    return this.isNeeded(layer.id) || this.children(layer.id).some(child => !this.spine.has(child));
  }

  /** A file that only one other lies on, and that nothing else needs: the two become one (§ 131, fig. 5E). */
  *merges(): Generator<Step> {
    const { mode, base, top, running } = this.facts;
    for (const lower of this.facts.layers) {
      const [upper, ...others] = this.children(lower.id);
      if (upper === undefined || others.length > 0 || lower.id === top || this.isNeeded(lower.id) || this.isSameAsBase(lower)) continue;
      // Those of the VM's own chain are committed into the base; the copy of the base waits for the next that is put aside.
      const committed = this.spine.has(lower) && (this.commits || this.anyNeeded);
      if (mode !== 'chain' && (committed || lower.id === base?.content)) continue;
      const merge: Step = { kind: 'merge', layer: upper.id, into: lower.id };
      const pullUp: Step = { kind: 'pull-up', layer: upper.id, from: lower.id };
      if (running && upper.id === top) yield pullUp;
      else yield upper.fileBytes > lower.fileBytes ? pullUp : merge;
    }
  }

  /** One at a time: what is best after it is seen then. Of the VM's own chain nothing is copied that is committed into the base anyway. */
  *shortenings(): Generator<Step> {
    const { mode, top, layers, depth } = this.facts;
    const read = this.readElsewhere();
    const mayChange = (layer: PlannedLayer) =>
      layer.id !== top && !read.has(layer) && !(mode !== 'chain' && this.spine.has(layer)) && !this.isSameAsBase(layer);
    const found = shortening(layers, { depth, mayChange, mayDrop: layer => !this.isSameAsBase(layer) });
    if (found !== undefined) yield { kind: 'shorten', layer: found.layer.id, through: found.through.id };
  }

  /** The chains of linked clones: somebody may have these files open, and not learn of new parents. */
  private readElsewhere(): ReadonlySet<PlannedLayer> {
    const read = new Set<PlannedLayer>();
    for (const id of this.facts.pinned)
      for (let layer = this.layers.get(id); layer !== undefined && !read.has(layer); layer = this.layers.get(layer.on)) read.add(layer);
    return read;
  }

  *sums(): Generator<Step> {
    for (const { id, hasSum } of this.facts.layers) if (!hasSum && id !== this.facts.top) yield { kind: 'checksum', layer: id };
  }
}
