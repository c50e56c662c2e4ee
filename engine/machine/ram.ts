/** Guest physical memory as devices and boot loaders see it: page by page through the MMM, so that COW and dirty tracking hold. */
import type { GuestMemory } from '../devices/device.ts';
import { PAGE_SIZE } from '../memory/layout.ts';

interface Pages {
  pageForRead(gppn: number): number;
  pageForWrite(gppn: number): number;
}

export class Ram implements GuestMemory {
  private readonly bytes: Uint8Array;
  private readonly pages: Pages;

  constructor(memory: WebAssembly.Memory, pages: Pages) {
    this.bytes = new Uint8Array(memory.buffer);
    this.pages = pages;
  }

  read(gpa: number, into: Uint8Array) {
    forEachPage(gpa, into.length, (gppn, offset, done, count) => {
      const host = this.pages.pageForRead(gppn) >>> 0;
      if (host === 0) into.fill(0xff, done, done + count);
      else into.set(this.bytes.subarray(host + offset, host + offset + count), done);
    });
  }

  write(gpa: number, bytes: Uint8Array) {
    forEachPage(gpa, bytes.length, (gppn, offset, done, count) => {
      const host = this.pages.pageForWrite(gppn) >>> 0;
      if (host !== 0) this.bytes.set(bytes.subarray(done, done + count), host + offset);
    });
  }
}

function forEachPage(gpa: number, length: number, visit: (gppn: number, offset: number, done: number, count: number) => void) {
  for (let done = 0; done < length;) {
    const at = gpa + done;
    const offset = at % PAGE_SIZE;
    const count = Math.min(PAGE_SIZE - offset, length - done);
    visit(Math.floor(at / PAGE_SIZE), offset, done, count);
    done += count;
  }
}
