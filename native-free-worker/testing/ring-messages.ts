/** The bytes of the i-th message of a ring test: both threads can make them. */
export function messageBytes(i: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (i * 31 + at * 7) & 0xff);
}
