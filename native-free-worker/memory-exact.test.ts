/**
 * Exactness when everything that moves pages comes together, in any order, on the real PC: checkpoints with prepared stops, reverts in RAM and from files, memory loaded late, equal pages
 * shared, checkpoints eliminated; messages between the threads under way for as long as they like. The guest’s state is what it always is at that count of instructions.
 */
import { deepStrictEqual as deepEqual } from 'node:assert';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { beforeAll, expect, test } from 'vitest';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { restoreCheckpoint } from '#engine/checkpoint/restore.ts';
import type { Machine } from '#engine/machine/machine.ts';
import { PAGE_SIZE, POOL_BASE } from '#engine/memory/layout.ts';
import { NOT_LOADED } from '#engine/memory/mmm-block.ts';
import { deriveReferences, livePpn, memoryStats } from '#engine/memory/mmm.ts';
import { bufferOf } from '#test/support/bench-checkpoint.ts';
import { BenchPc } from '#test/support/bench-pc.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { STI, TinyKernel } from '#test/support/tiny-kernel.ts';
import { CheckpointJobQueue } from './checkpoint-job-queue.ts';
import type { CheckpointEvent, CheckpointJob, CheckpointReply } from './checkpoint-protocol.ts';
import { nodeCodec } from './node-codec.ts';
import { MachineCheckpoint, restorableVm } from './vcpu-checkpoint.ts';

const FOLDER = '/vm/checkpoints';
/** Pages that the guest fills, and then those that it walks. */
const [FILLED, WALKED, PAGES] = [0x400, 0x440, 0x60];
const le32 = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

/** Fills one page of 64 after the other, in disorder, with one of four values; writes a word of one of 32 others; rewrites its own code; counts timer interrupts. */
function filler(): Uint8Array {
  const kernel = new TinyKernel().interrupts(0xfe).handler(0x20, inner => inner.increment(0x200000));
  kernel.out8(0x43, 0x34).out8(0x40, 0xa9, 0x04).raw(STI, 0x31, 0xdb); // xor ebx, ebx
  const loop = kernel.here;
  kernel
    .raw(0x81, 0xc3, ...le32(0x12735)) // add ebx, 12735h
    .raw(0x89, 0xde, 0xc1, 0xee, 0x04, 0x81, 0xe6, ...le32(0x3f000)) // mov esi, ebx; shr esi, 4; and esi, 3f000h
    .raw(0x8d, 0xbe, ...le32(FILLED * PAGE_SIZE)) // lea edi, [esi + FILLED]
    .raw(0x89, 0xd8, 0xc1, 0xe8, 0x0d, 0x83, 0xe0, 0x03) // mov eax, ebx; shr eax, 13; and eax, 3
    .raw(0xb9, ...le32(PAGE_SIZE / 4), 0xf3, 0xab) // mov ecx, 1024; rep stosd
    .raw(0x89, 0xda, 0x81, 0xe2, ...le32(0x1f000)) // mov edx, ebx; and edx, 1f000h
    .raw(0xff, 0x82, ...le32(WALKED * PAGE_SIZE)); // inc dword [edx + WALKED]
  const patched = kernel.here + 6 + 1;
  kernel
    .raw(0x88, 0x1d, ...le32(patched)) // mov [patched], bl
    .raw(0xb9, 0, 0, 0, 0) // mov ecx, imm32, whose low byte is rewritten
    .raw(0x01, 0x0d, ...le32(0x200004)) // add [200004h], ecx
    .raw(0xb9, ...le32(500), 0x49, 0x75, 0xfd) // mov ecx, 500; dec ecx; jnz: many pages are left alone for a while
    .jumpTo(loop);
  return kernel.image();
}
const boot = { kind: 'multiboot', kernel: filler(), modules: [], commandLine: '' } as const;

/** Counts at which the guest stops, but where no page is free; and its state at each count that was asked for. */
const STEP = 20_000;
const STEPS = 100;
const hashes = new Map<number, string>();
beforeAll(() => {
  const plain = new BenchPc({ boot });
  for (let count = 0; count <= STEPS * STEP; count += STEP) {
    plain.run(count - plain.pc.instructionCount());
    hashes.set(count, plain.pc.stateHash());
  }
});
function hashAt(count: number): string {
  const known = hashes.get(count);
  if (known !== undefined) return known;
  const plain = new BenchPc({ boot });
  plain.run(count);
  hashes.set(count, plain.pc.stateHash());
  return plain.pc.stateHash();
}

/** A world on one thread, whose messages come when the test says so. */
class World {
  readonly vm = new BenchPc({ boot }, 2);
  readonly memory = bufferOf(this.vm);
  readonly files = new MemoryFiles();
  readonly store = new CheckpointStore(this.files, FOLDER);
  readonly software: MachineCheckpoint;
  readonly events: CheckpointEvent[] = [];
  private readonly queue: CheckpointJobQueue;
  private readonly port;
  private readonly jobs: CheckpointJob[] = [];
  private readonly replies: CheckpointReply[] = [];
  /** Reading from storage takes as long as it takes. */
  private readonly filled: CheckpointReply[] = [];
  /** The counts at the stops that have not been told of, and then those of all checkpoints. */
  private readonly stops: number[] = [];
  readonly countOf = new Map<string, number>();
  isMerging = false;

  constructor() {
    const { pc } = this.vm;
    const { port1, port2 } = new MessageChannel();
    this.port = port2;
    const machine = {
      ramBytes: pc.ramBytes,
      saveDevices: () => {
        this.stops.push(pc.instructionCount());
        return pc.saveDevices();
      },
      readyDevices: pc.readyDevices.bind(pc),
      loadFrom: pc.loadFrom.bind(pc),
      endPending: pc.endPending.bind(pc),
    };
    this.software = new MachineCheckpoint(machine as unknown as Machine, pc.core, this.memory, port1, undefined, this.files);
    this.software.sharesMemory = true;
    this.queue = new CheckpointJobQueue({
      ...{ memory: this.memory, ramBytes: pc.ramBytes, files: this.files },
      vcpu: { postMessage: (reply: CheckpointReply) => void (reply.kind === 'filled' ? this.filled : this.replies).push(reply) },
      clock: { nowMs: () => 0, sleep: () => new Promise(resolve => setImmediate(resolve)) },
      ringVcpu: () => {},
      toKernel: event => void this.events.push(event),
    });
  }

  /** Lets at most so many messages through each way, and filled pages. */
  async pass(jobs: number, replies: number, filled: number): Promise<void> {
    for (let job; (job = receiveMessageOnPort(this.port)) !== undefined;) this.take((job as { message: CheckpointJob }).message);
    for (const job of this.jobs.splice(0, jobs)) {
      if (job.kind === 'merged') this.isMerging = false;
      else this.queue.add(job);
    }
    for (const reply of [...this.replies.splice(0, replies), ...this.filled.splice(0, filled)]) this.port.postMessage(reply);
    await new Promise(resolve => setImmediate(resolve));
  }

  private take(job: CheckpointJob): void {
    if (job.kind === 'take') this.countOf.set(job.order.id, this.stops.shift()!);
    this.jobs.push(job);
  }

  /** As the scanner tells of pages that look equal: some, and in the end some that do not. */
  share(random: (below: number) => number): void {
    if (this.isMerging) return;
    this.isMerging = true;
    this.vm.pc.core.endEpoch(); // a pass has ended
    const words = new Uint32Array(this.memory);
    const pairs: number[] = [];
    for (let tries = 0; tries < 200; tries++) {
      const [one, other] = [FILLED + random(PAGES), FILLED + random(PAGES)];
      const [a, b] = [one, other].map(gppn => livePpn(this.memory, gppn));
      if (a! >= NOT_LOADED || b! >= NOT_LOADED) continue;
      if (words[(POOL_BASE + a! * PAGE_SIZE) >>> 2] === words[(POOL_BASE + b! * PAGE_SIZE) >>> 2]) pairs.push(one, other);
    }
    this.replies.push({ kind: 'equal', pairs: Uint32Array.from([...pairs, FILLED, WALKED]), endsPass: false });
  }

  eliminate(id: string): void {
    this.software.dropFromRam(id);
    this.queue.eliminate({ kind: 'eliminate', ticket: id, folder: FOLDER, ids: [id] });
  }

  /** Until nobody has anything left to do. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 30; quiet++) {
      await this.pass(Infinity, Infinity, Infinity);
      while (this.software.work());
    }
  }
}

/** A generator of numbers below a bound. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Some come more often than others. */
const TURNS = [
  ...(['run', 'run', 'run', 'prepare', 'take', 'take', 'share', 'share', 'goBack', 'goBack', 'look'] as const),
  ...(['pass', 'pass', 'pass', 'pass', 'pass', 'work', 'work', 'work', 'work', 'work'] as const),
];
/** After a revert from a file, while memory is loaded. */
const SOON = ['run', 'take', 'goBack', 'pass', 'pass', 'pass', 'work', 'work', 'work'] as const;
const TURNS_SOON = 12;
/** Of a short pool: pages that are free at the beginning. The guest uses some 120. */
const FEW_PAGES = 180;

/** One way through it, which `seed` makes. */
class Trial {
  private readonly random: (below: number) => number;
  private readonly world = new World();
  private readonly reader = new BenchPc({ boot: { kind: 'none' } });
  /** Checkpoints ordered so far, those that have been eliminated, and events looked at. */
  private ordered = 0;
  private readonly gone = new Set<string>();
  private seen = 0;
  private soon = 0;
  private readonly reserved: number[] = [];
  readonly log: string[] = [];
  /** How often the machine went back in RAM and from files, stood without a free page, and turns in which it had shared pages and pages not loaded. */
  readonly did = { ram: 0, file: 0, exhausted: 0, shared: 0, waiting: 0 };

  constructor(seed: number, isShort: boolean) {
    this.random = numbers(seed);
    const { core } = this.world.vm.pc;
    const few = isShort ? FEW_PAGES : Infinity;
    while (core.freePages() > few) this.reserved.push(core.reservePage());
  }

  async turn(): Promise<void> {
    const { random, world, did } = this;
    if (this.soon === 1) await this.look();
    const turn = this.soon-- > 0 ? SOON[random(SOON.length)]! : TURNS[random(TURNS.length)]!;
    if (turn === 'run') await this.run();
    else if (turn === 'prepare') world.software.prepare();
    else if (turn === 'take') this.take();
    else if (turn === 'pass') await world.pass(random(4), random(4), random(20) === 0 ? 1 : 0);
    else if (turn === 'work') world.software.work();
    else if (turn === 'share') world.share(random);
    else if (turn === 'goBack') this.goBack();
    else if (random(4) === 0) await this.look();
    else if (random(6) === 0) await this.settle();
    const { savedPages, notLoaded } = memoryStats(world.memory);
    if (savedPages > 0) did.shared++;
    if (notLoaded > 0) did.waiting++;
    this.lookAtFiles();
  }

  async end(): Promise<void> {
    const { world } = this;
    await this.settle();
    await this.look();
    for (const id of this.ids) this.lookAtFile(id);
    for (const id of world.software.idsInRam) world.software.dropFromRam(id);
    for (const ppn of this.reserved.splice(0)) world.vm.pc.core.returnPage(ppn);
    await this.settle();
    const { frozenMaps, usedPages } = memoryStats(world.memory);
    deepEqual([frozenMaps, usedPages], [0, deriveReferences(world.memory).size + 1]);
  }

  /** Checkpoints that can be gone back to. */
  private get ids(): string[] {
    return this.world.events.flatMap(event => (event.kind === 'done' && !this.gone.has(event.id) ? [event.id] : []));
  }

  private async run(): Promise<void> {
    const { vm } = this.world;
    const to = (Math.floor(vm.pc.instructionCount() / STEP) + 1) * STEP;
    if (to > STEPS * STEP) return;
    while (vm.pc.instructionCount() < to) {
      if (vm.run(to - vm.pc.instructionCount(), undefined, 1000 + this.random(STEP)).kind !== 'pool-exhausted') continue;
      this.did.exhausted++;
      await this.world.settle();
    }
  }

  private take(): void {
    const number = this.ordered - this.world.events.filter(({ kind }) => kind === 'done' || kind === 'failed').length;
    if (number > 2) return;
    const id = `checkpoint${this.ordered++}`;
    this.log.push(`take ${id}`);
    const about = { parent: null, vmName: 'Debian', title: id, takenAt: `2026-11-22T12:00:00.${1000 + this.ordered}Z` };
    this.world.software.take({ id, ...about, folder: FOLDER, hasDisks: false, keepInRam: this.random(3) > 0 });
  }

  /** Or eliminates one. */
  private goBack(): void {
    const { random, world, ids } = this;
    if (ids.length === 0) return;
    const id = ids[random(ids.length)]!;
    if (ids.length > 2 && random(6) === 0) {
      this.log.push(`eliminate ${id}`);
      this.gone.add(id);
      world.eliminate(id);
      return;
    }
    const ready = world.software.readyRevert({ id, path: world.store.pathOf(id), folder: FOLDER });
    if (typeof ready === 'string') return;
    if (random(8) === 0) {
      ready.drop();
      return;
    }
    this.did[ready.way]++;
    if (ready.way === 'file') this.soon = TURNS_SOON;
    this.log.push(`${ready.way} ${id}`);
    ready.go();
    deepEqual(world.vm.pc.instructionCount(), world.countOf.get(id));
  }

  /** Loads all that is not loaded, for which there must be pages. */
  private async look(): Promise<void> {
    const { pc } = this.world.vm;
    if (pc.core.freePages() < memoryStats(this.world.memory).notLoaded) await this.world.settle();
    deepEqual(pc.stateHash(), hashAt(pc.instructionCount()));
  }

  private async settle(): Promise<void> {
    const { world } = this;
    await world.settle();
    deriveReferences(world.memory, new Set(this.reserved));
    deepEqual(memoryStats(world.memory).frozenMaps, world.software.idsInRam.length);
  }

  /** Of checkpoints that are new. */
  private lookAtFiles(): void {
    const { events } = this.world;
    for (const event of events.slice(this.seen)) {
      // The second: the file that memory comes from was eliminated before the checkpoint worker had opened it.
      if (event.kind === 'failed') deepEqual(['TOO_MANY_CHECKPOINTS', 'STILL_LOADING'].includes(event.failure.code), true);
      if (event.kind === 'done' && !this.gone.has(event.id)) this.lookAtFile(event.id);
    }
    this.seen = events.length;
  }

  private lookAtFile(id: string): void {
    const { store, countOf } = this.world;
    const { pc } = this.reader;
    restoreCheckpoint(store, store.pathOf(id), restorableVm(pc, pc.core, bufferOf(this.reader)), nodeCodec);
    deepEqual([id, pc.stateHash()], [id, hashAt(countOf.get(id)!)]);
  }
}

test.each([1, 2, 3, 4, 5, 6, 7, 8, 1006, 1054])(
  'whatever comes together, the guest and its checkpoints are what they always are (%i)',
  async seed => {
    const trial = new Trial(seed, seed % 2 === 0);
    try {
      for (let turn = 0; turn < 600; turn++) await trial.turn();
      await trial.end();
    } catch (error) {
      throw new Error(`seed ${seed}: ${trial.log.slice(-30).join(', ')}`, { cause: error });
    }
    const { ram, file, exhausted, shared, waiting } = trial.did;
    expect(Math.min(ram + exhausted, file, shared, waiting)).toBeGreaterThan(0);
  },
);
