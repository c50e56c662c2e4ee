/** The real PC with a virtio disk in a VM's folder of files in memory, virtual pacing, and the disk worker on the same thread. */
import { restoreCheckpoint } from '#engine/checkpoint/restore.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { Adoption } from '#engine/disk/graph/adoption.ts';
import { createBlankDisk } from '#engine/disk/graph/create.ts';
import type { LayerId } from '#engine/disk/graph/descriptor.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import type { BootSource } from '#engine/machine/machine.ts';
import { BenchPc } from '#test/support/bench-pc.ts';
import { graphHost } from '#test/support/disk-graph-model.ts';
import { contents } from '#test/support/disk-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import type { DiskSpec } from '../disk-protocol.ts';
import { DiskServer } from '../disk-server.ts';
import { DriveChannel } from '../drive-channel.ts';
import { GraphBacking } from '../graph-backing.ts';
import { nodeCodec } from '../node-codec.ts';
import { RingReader, RingWriter } from '../ring.ts';
import { ServedDisk } from '../served-disk.ts';
import { restorableVm } from '../vcpu-checkpoint.ts';
import { diskDoneRing, diskSubmitRing } from '../world-block.ts';
import { FOLDER } from './disk-bench.ts';
import { CHECKPOINTS, DiskWorld, type WorldParts } from './disk-world.ts';

const DISK_BYTES = 1 << 20;
const SPEC: DiskSpec = {
  ...{ name: 'disk0', interface: 'virtio', media: 'disk', cache: 'writeback', serial: 'SERIAL' },
  source: { kind: 'graph', folder: FOLDER, startAt: undefined },
};

export class DiskPc implements WorldParts {
  readonly files: MemoryFiles;
  readonly host;
  readonly bench: BenchPc;
  readonly memory: SharedArrayBuffer;
  server!: DiskServer;
  channel!: DriveChannel;
  private readonly backing: GraphBacking;

  /** A new VM, or one that goes on in `files` from a state of its disk. */
  constructor(boot: BootSource, from?: { readonly files: MemoryFiles; readonly layer: LayerId }) {
    this.files = from?.files ?? new MemoryFiles();
    this.host = graphHost(this.files, from === undefined ? 1 : 0x1000);
    if (from === undefined) createBlankDisk(new DiskFolder(this.host, FOLDER, 'disk0'), DISK_BYTES, { clusterBytes: 4096 });
    this.backing = new GraphBacking(this.host, FOLDER, 'disk0', { startAt: from?.layer, running: true });
    new Adoption([this.backing.files]).adopt();
    this.bench = new BenchPc({ boot }, 2, memory => this.attach(memory));
    this.memory = this.bench.memory.buffer as unknown as SharedArrayBuffer;
    this.channel.connect(this.pc);
  }

  /** A machine that goes on from a checkpoint of `world`, with files of its own. */
  static restored(world: DiskWorld<DiskPc>, id: string, layer: LayerId): DiskPc {
    const machine = new DiskPc({ kind: 'none' }, { files: world.bench.files.afterCrash('kept'), layer });
    const store = new CheckpointStore(machine.files, CHECKPOINTS);
    restoreCheckpoint(store, store.pathOf(id), restorableVm(machine.pc, machine.pc.core, machine.memory), nodeCodec);
    return machine;
  }

  private attach(memory: SharedArrayBuffer) {
    const disks = [new ServedDisk(SPEC, this.backing)];
    this.server = new DiskServer({
      ...{ memory, disks, vcpuBell: { ring: () => {} } },
      submitted: new RingReader(diskSubmitRing(memory)),
      done: new RingWriter(diskDoneRing(memory)),
      notice: text => {
        throw new Error(text);
      },
    });
    this.channel = new DriveChannel({
      ...{ memory, disks: disks.map(disk => disk.describe()), pacing: 'virtual' },
      submit: new RingWriter(diskSubmitRing(memory)),
      done: new RingReader(diskDoneRing(memory)),
      // A vcpu that waits lets the disk worker work.
      bell: { count: 0, sleep: () => this.server.step() },
      diskBell: { ring: () => {} },
    });
    return this.channel.attached;
  }

  get pc() {
    return this.bench.pc;
  }

  asWorld(): DiskWorld<DiskPc> {
    const { pc, memory } = this;
    return new DiskWorld<DiskPc>(this, { machine: pc, core: pc.core, memory, ramBytes: pc.ramBytes });
  }

  slice(): void {
    this.channel.collect();
  }

  /** As a world runs that has nothing else to do; the disk worker works `eagerly`, or only when the guest must wait for it. */
  run(instructions: number, { slice = 10_000, eagerly = true } = {}): void {
    const { pc, channel, server } = this;
    for (const end = pc.instructionCount() + instructions; pc.instructionCount() < end;) {
      if (eagerly) while (server.step());
      channel.collect();
      if (!channel.deliver()) while (server.step());
      else if (pc.runSlice(Math.min(slice, end - pc.instructionCount())).kind !== 'budget') throw new Error('the guest has stopped');
    }
  }

  /** All that there is of the VM. */
  state(): { machine: string; disk: string } {
    while (this.server.step());
    return { machine: this.pc.stateHash(), disk: Buffer.from(contents(this.backing.top)).toString('base64') };
  }
}
