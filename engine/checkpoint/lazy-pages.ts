/** Step 904 after the guest has begun to run: a page comes from the checkpoint file when it is touched, or when there is time. On the vcpu thread. */
import { InvariantError } from '../errors/errors.ts';
import { PageOrder } from './page-order.ts';
import type { PageSource } from './page-source.ts';
import type { RestorableVm } from './ports.ts';

/** As far as this to each side pages are brought that have been read with the one that is touched. A group's pages mostly lie closer together. */
const NEIGHBOURS = 96;

export class LazyPages implements Disposable {
  private readonly source: PageSource;
  private readonly vm: Pick<RestorableVm, 'placePage' | 'hasRoom'>;
  /** Made when it is first needed: the guest does not wait for it. */
  private order: PageOrder | undefined;
  private next = 0;

  constructor(source: PageSource, vm: Pick<RestorableVm, 'placePage' | 'hasRoom'>) {
    this.source = source;
    this.vm = vm;
  }

  /**
   * Brings the page at `gppn`, which is touched, and its neighbours, which have been read with it. Throws CheckpointError when their group is damaged and StorageError when it cannot be read now;
   * then nothing has changed.
   */
  load(gppn: number): void {
    const { source } = this;
    const [file, group] = [source.fileOf(gppn), source.groupOf(gppn)];
    if (file < 0) throw new InvariantError(`the page ${gppn} is in no checkpoint file`);
    const pages = source.read(file, group);
    this.place(pages, gppn);
    if (!this.vm.hasRoom()) return;
    for (let neighbour = gppn - NEIGHBOURS; neighbour <= gppn + NEIGHBOURS; neighbour++)
      if (source.fileOf(neighbour) === file && source.groupOf(neighbour) === group) this.place(pages, neighbour);
  }

  /** Brings one more group; false when there is none left. For when there is no background reader. */
  loadNext(): boolean {
    this.order ??= new PageOrder(this.source);
    if (this.next === this.order.length) return false;
    if (!this.vm.hasRoom()) return true;
    const gppns = this.order.gppnsOf(this.next);
    if (gppns.length > 0) {
      const pages = this.order.read(this.next);
      for (const gppn of gppns) this.place(pages, gppn);
    }
    this.next++;
    return true;
  }

  /** The files are closed: call it when nothing is left to be loaded, or nobody will. */
  [Symbol.dispose](): void {
    this.source[Symbol.dispose]();
  }

  private place(pages: Uint8Array, gppn: number): void {
    this.vm.placePage(gppn)?.set(this.source.pageIn(pages, gppn));
  }
}
