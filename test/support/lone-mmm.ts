/** The MMM by itself, for tests: mmm.as.ts compiled alone, with the CPU's hooks counted instead of run. */
import { compileAs } from './compile-as.ts';
import type { CoreExports } from '#engine/cpu/core-exports.ts';
import { PAGE_SIZE, POOL_BASE } from '#engine/memory/layout.ts';

type MemoryExports = Pick<
  CoreExports,
  | 'mapRam'
  | 'pageForRead'
  | 'pageForWrite'
  | 'prepareFreeze'
  | 'freeze'
  | 'endEpoch'
  | 'thaw'
  | 'reclaim'
  | 'freePages'
  | 'installPage'
  | 'clearPage'
  | 'clearRam'
  | 'pinPage'
  | 'unpinPage'
  | 'restoreFrozen'
  | 'expectPages'
  | 'forgetSince'
  | 'placePage'
  | 'reservePage'
  | 'adoptPage'
  | 'returnPage'
  | 'mergePages'
> & {
  initMemory(poolPages: number): void;
};

const STAND_INS = {
  'engine/cpu/tlb.as':
    '@external("cpu", "dropPageTranslations") export declare function dropPageTranslations(ppn: u32): void;\n@external("cpu", "dropWriteTranslations") export declare function dropWriteTranslations(): void;',
  'engine/cpu/decode-cache.as': '@external("cpu", "dropCode") export declare function dropCode(ppn: u32): void;',
};

export class PoolExhausted extends Error {}

export interface LoneMmm {
  readonly mmm: MemoryExports;
  readonly memory: SharedArrayBuffer;
  /** Pages whose translations were dropped since last looked at, and how often all write translations were. */
  readonly dropped: { pages: number[]; code: number[]; writes: number };
  /** Brings a page that is not loaded. */
  loadPage: (gppn: number) => void;
}

export async function loneMmm(maxPoolPages: number): Promise<LoneMmm> {
  const module = await compileAs('engine/memory/mmm.as.ts', STAND_INS);
  const wasmPages = Math.ceil((POOL_BASE + maxPoolPages * PAGE_SIZE) / 0x10000);
  const memory = new WebAssembly.Memory({ initial: wasmPages, maximum: 65536, shared: true });
  const dropped: LoneMmm['dropped'] = { pages: [], code: [], writes: 0 };
  const instance = new WebAssembly.Instance(module, {
    env: { memory },
    cpu: {
      dropPageTranslations: (ppn: number) => void dropped.pages.push(ppn),
      dropWriteTranslations: () => void dropped.writes++,
      dropCode: (ppn: number) => void dropped.code.push(ppn),
    },
    host: {
      loadPage: (gppn: number) => lone.loadPage(gppn >>> 0),
      poolExhausted: () => {
        throw new PoolExhausted('no page left');
      },
    },
  });
  const lone: LoneMmm = {
    mmm: instance.exports as unknown as MemoryExports,
    memory: memory.buffer as unknown as SharedArrayBuffer,
    dropped,
    loadPage: () => {},
  };
  return lone;
}
