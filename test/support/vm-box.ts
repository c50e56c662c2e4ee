/** The folder of a VM called “box” in a temporary one, and checkpoints of it while it is off: for tests of what a VM on disk is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bundle } from '#main/bundle.ts';
import { readCheckpointInfo, takeWhenOff } from '#main/checkpoint-files.ts';
import type { CheckpointFacts } from '#main/ipc/contract.ts';
import { newCheckpointId } from '#main/vm.ts';
import { smallConfig } from './vm-config.ts';

type Order = Parameters<typeof takeWhenOff>[0];

export class VmBox {
  readonly folder = mkdtempSync(join(tmpdir(), 'cairn-box-'));
  readonly path = join(this.folder, 'box.cairn');
  private readonly memoryMiB: number;

  constructor(config = smallConfig) {
    this.memoryMiB = config.memoryMiB;
    Bundle.create(this.path, config);
  }

  async open(): Promise<Bundle> {
    return (await Bundle.open(this.path, readCheckpointInfo))!;
  }

  /** A real checkpoint file of the VM, not in the catalogue yet. */
  writeCheckpoint(parent: string | null, title: string, more: Partial<Order> = {}): Promise<CheckpointFacts> {
    const takenAt = new Date().toISOString();
    const order = { id: newCheckpointId(), parent, vmName: 'box', title, takenAt, folder: join(this.path, 'checkpoints'), ...more };
    return takeWhenOff(order, this.memoryMiB);
  }

  /** A checkpoint of where the machine stands, in the catalogue; answers its id. */
  async take(bundle: Bundle, title: string, more: Partial<Order> = {}): Promise<string> {
    return bundle.add(await this.writeCheckpoint(bundle.current ?? null, title, more)).id;
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
