/** What is measured: the same Linux guest in Cairn, in QEMU with each of its two kinds of snapshot, and in v86, all with one way to take and to go back. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createQcow2 } from '#engine/disk/qcow2/create.ts';
import { HostService } from '#main/host-service.ts';
import type { Checkpoint } from '#main/ipc/contract.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';
import type { ConsoleProcess } from '../../support/console-process.ts';
import { diskGuest } from '../../support/guests.ts';
import { emulators } from '../guest.ts';
import { Qmp } from './qmp.ts';

const MIB = 2 ** 20;
const DISK_MIB = 256;
/** Half of an emulated boot otherwise. */
const WITHOUT_TESTS = 'cryptomgr.notests=1';
/** QEMU's snapshots go into the image. */
const QEMU_DISK = '16G';

export interface Taken {
  /** How long the guest stood still, as the emulator itself says. */
  readonly pauseMs: number;
  /** From the request to its end. */
  readonly totalMs: number;
  readonly mib: number;
  /** What only Cairn says. */
  readonly pages?: Checkpoint['pages'];
}

export interface Subject {
  readonly guest: ConsoleProcess;
  /** Settles when the checkpoint is complete. */
  take(): Promise<Taken>;
  /** To the newest; settles when the emulator says that it is done. */
  revert?(): Promise<void>;
  end(): Promise<void>;
}

export interface SubjectKind {
  readonly name: string;
  readonly hasDisk: boolean;
  /** MiB of guest memory beyond which it does not start. */
  readonly largest: number;
  start(memoryMiB: number): Promise<Subject>;
}

async function startCairn(memoryMiB: number): Promise<Subject> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cairn-bench-'));
  const disk = path.join(folder, 'disk.qcow2');
  createQcow2(nodeFiles, nodeDecompressor, disk, { sizeBytes: DISK_MIB * MIB, clusterBytes: 65_536 });
  const guest = emulators['cairn']!({ memoryMiB, files: diskGuest, append: WITHOUT_TESTS, disk, home: folder, name: 'bench' });
  const service = new HostService({ libraryPath: folder, version: 'bench' }); // over the owner's socket, as QEMU is
  const client = service.connect();
  let newest = '';
  return {
    guest,
    async take() {
      const begin = performance.now();
      const { id, pauseMs, bytesWritten, pages } = await client.request('checkpoint.take', { name: 'bench', title: 'bench' });
      newest = id;
      return { pauseMs, totalMs: performance.now() - begin, mib: bytesWritten / MIB, pages };
    },
    async revert() {
      await client.request('checkpoint.revert', { name: 'bench', id: newest });
    },
    async end() {
      await service.close();
      await guest.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface QemuGuest {
  readonly guest: ConsoleProcess;
  readonly qmp: Qmp;
  readonly folder: string;
  end(): Promise<void>;
}

async function startQemu(memoryMiB: number): Promise<QemuGuest> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cairn-bench-'));
  const [disk, socket] = ['disk.qcow2', 'qmp'].map(name => path.join(folder, name)) as [string, string];
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', disk, QEMU_DISK]);
  const extra = ['-drive', `file=${disk},if=virtio`, '-monitor', 'none', '-qmp', `unix:${socket},server=on,wait=off`];
  const guest = emulators['qemu']!({ memoryMiB, files: diskGuest, append: WITHOUT_TESTS, extra });
  const qmp = await Qmp.open(socket);
  const end = async () => {
    qmp.close();
    await guest.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  return { guest, qmp, folder, end };
}

/** savevm stops the guest from its beginning to its end. */
async function startSavevm(memoryMiB: number): Promise<Subject> {
  const { guest, qmp, end } = await startQemu(memoryMiB);
  let number = 0;
  return {
    guest,
    end,
    async take() {
      const begin = performance.now();
      await qmp.monitor(`savevm s${++number}`);
      const totalMs = performance.now() - begin;
      const size = new RegExp(`^\\S+\\s+s${number}\\s+([\\d.]+) (MiB|GiB)`, 'm').exec(await qmp.monitor('info snapshots'));
      if (number > 1) await qmp.monitor(`delvm s${number - 1}`);
      return { pauseMs: totalMs, totalMs, mib: Number(size?.[1]) * (size?.[2] === 'GiB' ? 1024 : 1) };
    },
    async revert() {
      await qmp.monitor(`loadvm s${number}`);
    },
  };
}

/** A migration to a file that the guest's pages are written to before it may change them. The disk is not in it. */
async function startBackground(memoryMiB: number): Promise<Subject> {
  const { guest, qmp, folder, end } = await startQemu(memoryMiB);
  const file = path.join(folder, 'state');
  await qmp.run('migrate-set-capabilities', { capabilities: [{ capability: 'background-snapshot', state: true }] });
  await qmp.run('migrate-set-parameters', { 'max-bandwidth': 2 ** 36 });
  return {
    guest,
    end,
    async take() {
      rmSync(file, { force: true });
      const begin = performance.now();
      await qmp.run('migrate', { uri: `exec:cat >${file}` });
      for (;;) {
        const now = (await qmp.run('query-migrate')) as { status: string; downtime?: number; 'error-desc'?: string };
        if (now.status === 'completed')
          return { pauseMs: now.downtime ?? Number.NaN, totalMs: performance.now() - begin, mib: statSync(file).size / MIB };
        if (now.status === 'failed') throw new Error(`QEMU's migration failed: ${now['error-desc']}`);
        await sleep(5);
      }
    },
  };
}

function startV86(memoryMiB: number): Promise<Subject> {
  const guest = emulators['v86']!({ memoryMiB, files: diskGuest, append: WITHOUT_TESTS });
  return Promise.resolve({
    guest,
    async take() {
      const begin = performance.now();
      guest.child.kill('SIGUSR2');
      const [, pause, bytes] = await guest.waitFor(/@@SAVED (\S+) (\d+)/);
      return { pauseMs: Number(pause), totalMs: performance.now() - begin, mib: Number(bytes) / MIB };
    },
    async revert() {
      guest.child.kill('SIGHUP');
      await guest.waitFor(/@@RESTORED/);
    },
    end: async () => void (await guest.kill()),
  });
}

export const CAIRN: SubjectKind = { name: 'Cairn', hasDisk: true, largest: 3072, start: startCairn };
export const SAVEVM: SubjectKind = { name: 'QEMU savevm', hasDisk: true, largest: 2048, start: startSavevm };
export const BACKGROUND: SubjectKind = { name: 'QEMU background-snapshot', hasDisk: true, largest: 2048, start: startBackground };
export const V86: SubjectKind = { name: 'v86 save_state', hasDisk: false, largest: 1024, start: startV86 };
export const ALL: readonly SubjectKind[] = [CAIRN, SAVEVM, BACKGROUND, V86];

/** Starts one after the other, lets `measure` use it, and ends it. What fails is printed; the others go on. */
export async function each(
  kinds: readonly SubjectKind[],
  memoryMiB: number,
  measure: (kind: SubjectKind, subject: Subject) => Promise<void>,
): Promise<void> {
  for (const kind of kinds.filter(({ largest }) => memoryMiB <= largest)) {
    try {
      const subject = await kind.start(memoryMiB);
      try {
        await measure(kind, subject);
      } finally {
        await subject.end();
      }
    } catch (error) {
      console.log(`${kind.name} at ${memoryMiB} MiB: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
    }
  }
}
