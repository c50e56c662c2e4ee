/** Finding equal pages: a hash that tells pages apart well enough, and the comparison that decides. */

// Odd multipliers with well-mixed bits (golden ratio and its relatives).
const MIX_A = 0x9e3779b1;
const MIX_B = 0x85ebca77;
const MIX_C = 0xc2b2ae3d;
const MIX_D = 0x27d4eb2f;

const words = (page: Uint8Array): Int32Array => new Int32Array(page.buffer, page.byteOffset, page.byteLength >>> 2);

/** 32 bits of all bytes. Four chains, because one multiplication must wait for the one before it. */
export function pageHash(page: Uint8Array): number {
  const word = words(page);
  let [a, b, c, d] = [MIX_A | 0, MIX_B | 0, MIX_C | 0, MIX_D | 0];
  for (let i = 0; i < word.length; i += 4) {
    a = Math.imul(((a ^ word[i]!) << 13) | ((a ^ word[i]!) >>> 19), MIX_A);
    b = Math.imul(((b ^ word[i + 1]!) << 13) | ((b ^ word[i + 1]!) >>> 19), MIX_B);
    c = Math.imul(((c ^ word[i + 2]!) << 13) | ((c ^ word[i + 2]!) >>> 19), MIX_C);
    d = Math.imul(((d ^ word[i + 3]!) << 13) | ((d ^ word[i + 3]!) >>> 19), MIX_D);
  }
  let hash = a ^ ((b << 7) | (b >>> 25)) ^ ((c << 15) | (c >>> 17)) ^ ((d << 23) | (d >>> 9));
  hash = Math.imul(hash ^ (hash >>> 15), MIX_B);
  hash = Math.imul(hash ^ (hash >>> 13), MIX_C);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export function samePages(one: Uint8Array, other: Uint8Array): boolean {
  const [a, b] = [words(one), words(other)];
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
