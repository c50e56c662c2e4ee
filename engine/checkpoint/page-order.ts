/** All page groups that a checkpoint needs, in the order in which they are best read, and for each the GPPNs that it is for. */
import type { PageSource } from './page-source.ts';

export class PageOrder {
  readonly source: PageSource;
  private readonly files: Uint16Array;
  private readonly groups: Uint32Array;
  /** Where the GPPNs of each begin in `gppns`. */
  private readonly starts: Uint32Array;
  private readonly gppns: Uint32Array;

  /** The newest file comes first: what was written last is likeliest to be needed. */
  constructor(source: PageSource) {
    this.source = source;
    const files = Array.from({ length: source.fileCount }, (_, file) => file);
    const newestFirst = files.toSorted((a, b) => compare(source.takenAt(b), source.takenAt(a)) || a - b);
    const first = new Uint32Array(files.length);
    let count = 0;
    for (const file of newestFirst) {
      first[file] = count;
      count += source.groupsIn(file);
    }
    this.files = new Uint16Array(count);
    this.groups = new Uint32Array(count);
    for (const file of files) {
      for (let group = 0; group < source.groupsIn(file); group++) {
        this.files[first[file]! + group] = file;
        this.groups[first[file]! + group] = group;
      }
    }
    const numberOf = (gppn: number) => first[source.fileOf(gppn)]! + source.groupOf(gppn);
    this.starts = new Uint32Array(count + 1);
    const { limit } = source.reader.index;
    for (let gppn = 0; gppn < limit; gppn++) if (source.fileOf(gppn) >= 0) this.starts[numberOf(gppn) + 1]!++;
    for (let number = 0; number < count; number++) this.starts[number + 1]! += this.starts[number]!;
    this.gppns = new Uint32Array(this.starts[count]!);
    const next = this.starts.slice();
    for (let gppn = 0; gppn < limit; gppn++) if (source.fileOf(gppn) >= 0) this.gppns[next[numberOf(gppn)]!++] = gppn;
  }

  /** How many groups there are, needed or not. */
  get length(): number {
    return this.files.length;
  }

  gppnsOf(number: number): Uint32Array {
    return this.gppns.subarray(this.starts[number]!, this.starts[number + 1]!);
  }

  read(number: number): Uint8Array {
    return this.source.read(this.files[number]!, this.groups[number]!);
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
