/** A 64-bit digest to compare two runs: two 32-bit lanes of multiply-and-rotate over little-endian words. Not for security. */
const PRIME_A = 0x9e3779b1;
const PRIME_B = 0x85ebca77;

export class StateHash {
  private a = 0x811c9dc5;
  private b = 0x1b873593;

  word(value: number) {
    this.a = Math.imul(this.a ^ value, PRIME_A);
    this.a = (this.a << 13) | (this.a >>> 19);
    this.b = (Math.imul(this.b, PRIME_B) + value) | 0;
    this.b = (this.b << 17) | (this.b >>> 15);
  }

  words(words: Uint32Array) {
    let { a, b } = this;
    for (let i = 0; i < words.length; i++) {
      const value = words[i]!;
      a = Math.imul(a ^ value, PRIME_A);
      a = (a << 13) | (a >>> 19);
      b = (Math.imul(b, PRIME_B) + value) | 0;
      b = (b << 17) | (b >>> 15);
    }
    this.a = a;
    this.b = b;
  }

  bytes(bytes: Uint8Array) {
    const padded = new Uint8Array((bytes.length + 3) & ~3);
    padded.set(bytes);
    this.word(bytes.length);
    this.words(new Uint32Array(padded.buffer));
  }

  hex(): string {
    this.word(0);
    this.word(0);
    return (this.a >>> 0).toString(16).padStart(8, '0') + (this.b >>> 0).toString(16).padStart(8, '0');
  }
}

/** True when every word is zero: such a page counts as the zero page. */
export function isZero(words: Uint32Array): boolean {
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}
