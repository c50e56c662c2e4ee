/** Zero pages are noted, never stored. */
export function isZeroPage(page: Uint8Array): boolean {
  const words = new Int32Array(page.buffer, page.byteOffset, page.byteLength >>> 2);
  // Most pages that are not zero show it at once; the rest is looked at in strides, so that there are few branches.
  if ((words[0]! | words[words.length >>> 1]! | words[words.length - 1]!) !== 0) return false;
  for (let i = 0; i < words.length; i += 8) {
    if ((words[i]! | words[i + 1]! | words[i + 2]! | words[i + 3]! | words[i + 4]! | words[i + 5]! | words[i + 6]! | words[i + 7]!) !== 0)
      return false;
  }
  return true;
}
