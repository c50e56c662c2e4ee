/** What the checkpoint software needs from its surroundings. */
import type { SavedDevice } from '../machine/machine.ts';

/** Compression and checksums: the format (docs/formats/checkpoint.md) fixes them, the host provides them. */
export interface Codec {
  /** zstd (RFC 8878), at any level; what does not get smaller is stored as it is. */
  compress(bytes: Uint8Array): Uint8Array;
  /** Throws unless exactly `rawLength` bytes come out; allocates no more than that. */
  decompress(bytes: Uint8Array, rawLength: number): Uint8Array;
  /** CRC-32 as in zlib. */
  checksum(bytes: Uint8Array): number;
  /** With a passphrase: what is written is encrypted, and what was encrypted with it can be read. */
  readonly vault?: Vault;
}

/** Encryption with one passphrase (§109; docs/formats/checkpoint.md fixes the algorithms, the host provides them). */
export interface Vault {
  /** A cipher for a new file, and the key parameters (KEY_PARAMETERS bytes) that its header must have. */
  create(): { readonly parameters: Uint8Array; readonly cipher: FileCipher };
  /** The cipher of a file with these key parameters; undefined when the passphrase is another one. Slow the first time. */
  open(parameters: Uint8Array): FileCipher | undefined;
}

/** One file's key. */
export interface FileCipher {
  /** AES-256-GCM with the position in the file as the nonce: CIPHER_OVERHEAD bytes longer. */
  seal(bytes: Uint8Array, position: number): Uint8Array;
  /** Throws when a byte of it, or its position, is not what was sealed. */
  unseal(bytes: Uint8Array, position: number): Uint8Array;
  /** HMAC-SHA-256. */
  authenticate(parts: readonly Uint8Array[]): Uint8Array;
}

/** A host clock that only goes forward, in ms. Never seen by a guest. */
export interface HostClock {
  nowMs(): number;
  /** Gives the host's processor to others for about `ms`; at 0 only lets pending messages in. */
  sleep(ms: number): Promise<void>;
}

/** The VM as it is stopped (804-814): synchronous, so that nothing slow can lengthen the stop. */
export interface StoppableVm {
  /** Step 806, into a free slot; undefined when as many checkpoints as there are slots are under way. */
  freeze(): { readonly slot: number; readonly epoch: number } | undefined;
  /** Step 828, or taking back 806. */
  thaw(slot: number): void;
  /** Step 808. */
  saveDevices(): SavedDevice[];
  /** Left out by a VM that has none. */
  readonly disks?: StoppableDisks;
}

/** The VM's disks at the stop. */
export interface StoppableDisks {
  /** Step 810: what is submitted from now on goes to the COW disks that were made at 802. */
  switchTops(): void;
  /** Step 812: is a pending read of a block followed by a pending write of it? */
  hasReadThenWrite(): boolean;
  /** Waits for all pending operations. False when they can't end, for the host's storage fails. */
  waitForAll(): boolean;
}

/** A frozen map's pages (memory/mmm.ts). */
export interface FrozenPages {
  readonly epoch: number;
  readonly limit: number;
  ppn(gppn: number): number;
  writtenEpoch(gppn: number): number;
  page(gppn: number): Uint8Array;
  freeOriginal(gppn: number): boolean;
}

/** Pages that are not loaded yet (lazy-pages.ts). */
export interface PagesToLoad {
  load(gppn: number): void;
  loadNext(): boolean;
}

/** A machine that is filled from a checkpoint: a fresh one, or one that has run and stands still. When filling fails, it is thrown away. */
export interface RestorableVm {
  readonly ramBytes: number;
  /** GPPNs that the map covers. */
  readonly limit: number;
  /** What each GPPN has, as the memory management module knows it (memory/mmm-block.ts): NOT_RAM, NOT_LOADED, 0 or a PPN. */
  readonly liveMap: Uint32Array;
  /** A page of the machine's own at `gppn`, to be filled whole. */
  installPage(gppn: number): Uint8Array;
  clearRam(): void;
  /** Pages that were written after that epoch ended are gone: they are to be loaded, as those that were not loaded yet. */
  forgetSince(epoch: number): void;
  /** The page there is gone: it is zero. */
  clearPage(gppn: number): void;
  /** These pages, which are zero, are to be loaded when they are touched. */
  expectPages(gppn: number, count: number): void;
  /** The page of one that is to be loaded, to be filled whole at once; undefined when it is not, or no longer. */
  placePage(gppn: number): Uint8Array | undefined;
  /** Whether there are pages enough that some may be loaded before they are touched. */
  hasRoom(): boolean;
  /** Who brings the pages that are to be loaded, from now on. */
  loadFrom(pages: PagesToLoad): void;
  /** Step 902: throws StateError, or answers what loads them. */
  readyDevices(devices: readonly SavedDevice[]): () => void;
  /** Ends the epoch, so that later writes are told from what was restored; drops every cached translation. Returns the epoch that ended. */
  seal(): number;
  /** Steps 912 and 914: ends every operation that was pending when the state was saved, and raises its interrupt. Memory is as it was. */
  endPending(): void;
}

/** Called as each step of METHOD.md is entered: progress to those who watch, and where tests make things fail. */
export type StepHook = (step: number, share: number) => void;
