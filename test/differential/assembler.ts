/** Just enough of an assembler for the differential test's runtime: bytes, labels, 32-bit absolute and relative references. */
export class Assembler {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #references: { at: number; label: string; relative: boolean }[] = [];
  readonly origin: number;

  constructor(origin: number) {
    this.origin = origin;
  }

  get here(): number {
    return this.origin + this.#bytes.length;
  }

  db(...bytes: number[]): this {
    for (const byte of bytes) this.#bytes.push(byte & 0xff);
    return this;
  }

  dw(...words: number[]): this {
    for (const word of words) this.db(word, word >> 8);
    return this;
  }

  /** Numbers, or labels' addresses. */
  dd(...values: (number | string)[]): this {
    for (const value of values) {
      if (typeof value === 'string') {
        this.#references.push({ at: this.#bytes.length, label: value, relative: false });
        this.db(0, 0, 0, 0);
      } else this.db(value, value >> 8, value >> 16, value >> 24);
    }
    return this;
  }

  append(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  label(name: string): this {
    if (this.#labels.has(name)) throw new Error(`label ${name} twice`);
    this.#labels.set(name, this.here);
    return this;
  }

  /** The distance from the next instruction to `label`: call, jmp, jcc near. */
  relative(label: string): this {
    this.#references.push({ at: this.#bytes.length, label, relative: true });
    return this.db(0, 0, 0, 0);
  }

  align(size: number): this {
    while (this.here % size !== 0) this.db(0);
    return this;
  }

  address(label: string): number {
    const address = this.#labels.get(label);
    if (address === undefined) throw new Error(`no label ${label}`);
    return address;
  }

  finish(): Uint8Array {
    const image = Uint8Array.from(this.#bytes);
    const view = new DataView(image.buffer);
    for (const { at, label, relative } of this.#references) {
      view.setInt32(at, this.address(label) - (relative ? this.origin + at + 4 : 0), true);
    }
    return image;
  }
}
