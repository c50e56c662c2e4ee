/**
 * Byte offsets in a world's shared WebAssembly memory. Read by AssemblyScript and by TypeScript alike,
 * so it holds nothing but number literals.
 *
 *   0000_0000  null guard: offset 0 is never a valid address
 *   0000_1000  CPU block (cpu/block.ts): the architectural state, hashed and saved whole
 *   0000_2000  CPU scratch: derived state, rebuilt by resetDerived()
 *   0000_3000  MMM block: epochs, free list, pool counters
 *   0000_4000  world block: doorbells and status words
 *   0001_0000  action ring (kernel → VMM), 64 KiB
 *   0002_0000  serial ring (VMM → kernel): what the guest sends out by its serial ports, 128 KiB
 *   0004_0000  disk submission ring (vcpu → disk worker), 256 KiB
 *   0008_0000  disk completion ring (disk worker → vcpu), 256 KiB
 *   000c_0000  two pages for DMA outside RAM: one to read ones from, one to write to in vain
 *   0010_0000  event ring (VMM → kernel): everything else, 1 MiB
 *   0020_0000  AssemblyScript statics (asc --memoryBase), 1 MiB
 *   0030_0000  software TLBs, 1 MiB
 *   0040_0000  decoded-instruction arena and its indices, up to 0800_0000
 *   0800_0000  page epoch: u32 per PPN, 4 MiB
 *   0840_0000  code page record: u32 per PPN, 4 MiB
 *   0880_0000  TLB alias hint: u32 per PPN, 4 MiB
 *   08c0_0000  free stack: u32 per PPN, 4 MiB; downwards from the pool's end the list of shared pages that the live map has no more
 *   0900_0000  live map GPPN → PPN: u32 per GPPN, 4 MiB
 *   0940_0000  frozen maps: 8 × 4 MiB
 *   0b40_0000  freed-page ring (checkpoint worker → MMM), 1 MiB
 *   0b80_0000  pins of pending disk operations: u32 per PPN, 4 MiB
 *   0bc0_0000  how often a page is shared: u32 per PPN, 4 MiB
 *   0c00_0000  machine memory: PPN n lies at POOL_BASE + n × 4096; PPN 0 is the zero page
 */
export const CPU_BLOCK = 0x1000;
export const CPU_BLOCK_SIZE = 0x1000;
export const CPU_SCRATCH = 0x2000;
export const MMM_BLOCK = 0x3000;
export const WORLD_BLOCK = 0x4000;
export const ACTION_RING = 0x1_0000;
export const ACTION_RING_SIZE = 0x1_0000;
export const SERIAL_RING = 0x2_0000;
export const SERIAL_RING_SIZE = 0x2_0000;
export const DISK_SUBMIT_RING = 0x4_0000;
export const DISK_SUBMIT_RING_SIZE = 0x4_0000;
export const DISK_DONE_RING = 0x8_0000;
export const DISK_DONE_RING_SIZE = 0x4_0000;
export const DISK_ONES_PAGE = 0xc_0000;
export const DISK_VOID_PAGE = 0xc_1000;
export const EVENT_RING = 0x10_0000;
export const EVENT_RING_SIZE = 0x10_0000;
export const STATICS_BASE = 0x20_0000;
export const TLB_BASE = 0x30_0000;
export const DECODE_BASE = 0x40_0000;
export const DECODE_END = 0x0800_0000;
export const PAGE_EPOCHS = 0x0800_0000;
export const CODE_PAGES = 0x0840_0000;
export const TLB_ALIASES = 0x0880_0000;
export const FREE_STACK = 0x08c0_0000;
export const LIVE_MAP = 0x0900_0000;
export const FROZEN_MAPS = 0x0940_0000;
export const FROZEN_MAP_STRIDE = 0x40_0000;
export const FROZEN_MAP_SLOTS = 8;
export const FREED_RING = 0x0b40_0000;
export const FREED_RING_SIZE = 0x10_0000;
export const PAGE_PINS = 0x0b80_0000;
export const PAGE_SHARES = 0x0bc0_0000;
export const POOL_BASE = 0x0c00_0000;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
