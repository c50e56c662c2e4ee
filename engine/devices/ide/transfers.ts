/** The commands of an ATA disk that move sectors: by which protocol, which way, with which addresses. */
import { Command } from './registers.ts';

export interface Transfer {
  readonly protocol: 'pio' | 'dma';
  readonly write: boolean;
  /** 48-bit address, 16-bit count. */
  readonly ext: boolean;
  /** Several sectors a DRQ block. */
  readonly multiple: boolean;
  /** Ends on the medium, past the write cache. */
  readonly fua: boolean;
}

/** Of a 48-bit command. */
export const MAX_SECTORS = 0x10000;

const READ: Transfer = { protocol: 'pio', write: false, ext: false, multiple: false, fua: false };
const WRITE: Transfer = { ...READ, write: true };
const EXT = { ext: true };
const MULTIPLE = { multiple: true };
const DMA = { protocol: 'dma' } as const;
const FUA = { fua: true };

export const TRANSFERS: ReadonlyMap<number, Transfer> = new Map<number, Transfer>([
  [Command.ReadSectors, READ],
  [Command.ReadSectorsNoRetry, READ],
  [Command.ReadSectorsExt, { ...READ, ...EXT }],
  [Command.ReadMultiple, { ...READ, ...MULTIPLE }],
  [Command.ReadMultipleExt, { ...READ, ...MULTIPLE, ...EXT }],
  [Command.ReadDma, { ...READ, ...DMA }],
  [Command.ReadDmaNoRetry, { ...READ, ...DMA }],
  [Command.ReadDmaExt, { ...READ, ...DMA, ...EXT }],
  [Command.WriteSectors, WRITE],
  [Command.WriteSectorsNoRetry, WRITE],
  [Command.WriteSectorsExt, { ...WRITE, ...EXT }],
  [Command.WriteMultiple, { ...WRITE, ...MULTIPLE }],
  [Command.WriteMultipleExt, { ...WRITE, ...MULTIPLE, ...EXT }],
  [Command.WriteMultipleFuaExt, { ...WRITE, ...MULTIPLE, ...EXT, ...FUA }],
  [Command.WriteDma, { ...WRITE, ...DMA }],
  [Command.WriteDmaNoRetry, { ...WRITE, ...DMA }],
  [Command.WriteDmaExt, { ...WRITE, ...DMA, ...EXT }],
  [Command.WriteDmaFuaExt, { ...WRITE, ...DMA, ...EXT, ...FUA }],
]);
