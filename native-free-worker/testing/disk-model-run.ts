/** A random run of requests, checkpoints and pauses of the disk worker beside a model of what the guest and each checkpoint must see. */
import { expect } from 'vitest';
import type { DriveRequest } from '#engine/devices/drive.ts';
import { PAGE_SIZE } from '#engine/memory/layout.ts';
import { FrozenMap } from '#engine/memory/mmm.ts';
import { expectReads, pattern } from '#test/support/disk-model.ts';
import type { DiskBench } from './disk-bench.ts';

/** Of the guest's memory: few, so that requests, copies and the guest meet in them. */
const PAGES = 4;
/** In a page. */
const SECTORS = 8;

interface Transfer {
  do: 'read' | 'write' | 'zero';
  offset: number;
  sectors: number;
  at: number;
}
export type RunStep = Transfer | { do: 'work' } | { do: 'slice' } | { do: 'touch'; sector: number } | { do: 'checkpoint'; cluster: number };

/** A guest and what it must see: memory and disk as if each request were executed when it is submitted. */
export class DiskModelRun {
  private readonly bench: DiskBench;
  private readonly memory = new Uint8Array(PAGES * PAGE_SIZE);
  private readonly disk = new Uint8Array(65536);
  /** Sectors of memory that a pending request uses: the guest leaves them alone. */
  private readonly used = new Set<number>();
  private readonly checks: (() => void)[] = [];
  private checkpoints = 0;
  private ended = 0;

  constructor(bench: DiskBench) {
    this.bench = bench;
  }

  apply(step: RunStep, seed: number): void {
    const { bench } = this;
    if (step.do === 'work') bench.server.step();
    else if (step.do === 'slice') bench.slice();
    else if (step.do === 'touch') this.touch(step.sector, seed);
    else if (step.do === 'checkpoint') this.checkpoint(step.cluster);
    else this.request(step);
  }

  end(): void {
    this.bench.settle();
    expectSame(this.used.size, 0);
    for (let gppn = 0; gppn < PAGES; gppn++) expectSame(this.bench.page(gppn), this.memory.slice(gppn * PAGE_SIZE, (gppn + 1) * PAGE_SIZE));
    expectReads(this.bench.disk.backing.top, this.disk);
    expectSame(this.ended, this.checkpoints);
    for (const check of this.checks) check();
  }

  private touch(sector: number, seed: number): void {
    if (this.used.has(sector)) return;
    const bytes = pattern(512, seed + 1);
    this.bench.guestWrites(Math.floor(sector / SECTORS), (sector % SECTORS) * 512, bytes);
    this.memory.set(bytes, sector * 512);
  }

  private request(step: Transfer): void {
    const first = step.at;
    const sectors = Array.from({ length: step.sectors }, (_, i) => first + i);
    if (step.do !== 'zero' && sectors.some(sector => this.used.has(sector))) return;
    const offset = step.offset * 512;
    const length = step.sectors * 512;
    const inMemory = this.memory.subarray(first * 512, first * 512 + length);
    const onDisk = this.disk.subarray(offset, offset + length);
    if (step.do === 'zero') onDisk.fill(0);
    else if (step.do === 'write') onDisk.set(inMemory);
    else inMemory.set(onDisk);
    const request: DriveRequest =
      step.do === 'zero'
        ? { kind: 'write-zeroes', offset, length, unmap: true }
        : { kind: step.do, offset, ranges: [{ gpa: first * 512, length }] };
    if (step.do !== 'zero') for (const sector of sectors) this.used.add(sector);
    this.bench.drive.submit(request, result => {
      expectSame(result, 'ok');
      if (step.do !== 'zero') for (const sector of sectors) this.used.delete(sector);
    });
  }

  /** Steps 804 to 814, and what it must have in the end. */
  private checkpoint(cluster: number): void {
    const { bench } = this;
    if (this.checkpoints === 8 || !bench.channel.canStop) return;
    const slot = this.checkpoints++;
    bench.lone.mmm.freeze(slot);
    const layer = bench.layers.at(-1)!;
    bench.switchTop(cluster);
    if (bench.channel.hasReadThenWrite()) expectSame(bench.channel.waitForAll(), true);
    const memory = this.memory.slice();
    const disk = this.disk.slice();
    const check = () => {
      const frozen = new FrozenMap(bench.lone.memory, slot);
      for (let gppn = 0; gppn < PAGES; gppn++) expectSame(frozen.page(gppn), memory.slice(gppn * PAGE_SIZE, (gppn + 1) * PAGE_SIZE));
      expectReads(layer, disk);
    };
    bench.channel.onceEnded('all', () => {
      this.ended++;
      check();
    });
    this.checks.push(check);
  }
}

function expectSame(actual: unknown, wanted: unknown): void {
  expect(actual).toEqual(wanted);
}
