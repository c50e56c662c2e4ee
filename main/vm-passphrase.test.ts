import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Pace } from '#engine/checkpoint/pace.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { takeCheckpoint } from '#engine/checkpoint/take.ts';
import { NOT_RAM } from '#engine/memory/mmm-block.ts';
import { hostClock } from '#worker/host-clock.ts';
import { codecOf } from '#worker/node-codec.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { Bundle } from './bundle.ts';
import { readCheckpointInfo } from './checkpoint-files.ts';
import { checkpointFacts, vmConfig, type Checkpoint } from './ipc/contract.ts';
import { VmPassphrase } from './vm-passphrase.ts';

let folder: string;
let bundle: Bundle;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-passphrase-'));
  const path = join(folder, 'a.cairn');
  Bundle.create(path, config({}));
  bundle = (await Bundle.open(path, readCheckpointInfo))!;
});
afterEach(() => {
  bundle.close();
  rmSync(folder, { recursive: true });
});

const config = (more: object) => vmConfig.parse({ memoryMiB: 4, append: '', debugExit: false, noReboot: false, ...more });
const keys = (fallback?: string) => new VmPassphrase(bundle, () => fallback);

/** The VM stands on it then. */
async function take(id: string, passphrase?: string): Promise<Checkpoint> {
  const request = { id, parent: null, vmName: 'a', title: id, takenAt: '', ramBytes: 4096, running: true };
  const frozen = {
    epoch: 0,
    limit: 1,
    ppn: () => NOT_RAM,
    writtenEpoch: () => 0,
    page: () => new Uint8Array(4096),
    freeOriginal: () => false,
  };
  const { info } = await takeCheckpoint(request, { slot: 0, epoch: 0, devices: [], pauseMs: 0 }, frozen, {
    ...{ store: new CheckpointStore(nodeFiles, bundle.checkpointsPath), codec: codecOf({ passphrase }), clock: hostClock },
    ...{ pace: new Pace(hostClock), base: undefined, startedMs: 0 },
  });
  return bundle.add(checkpointFacts.parse(info));
}

test('a VM whose checkpoints are plain needs none, whatever is given', async () => {
  const passphrase = keys('of the process');
  expect(passphrase.unlock('given', await take('checkpoint1'))).toBeUndefined();
  expect(passphrase.forTaking).toBeUndefined();
});

test('what is given comes first, then what is held, then what the process has; at the end of the run it is forgotten', () => {
  bundle.configure(config({ encrypted: true }));
  const passphrase = keys('of the process');
  expect(passphrase.unlock(undefined, undefined)).toBe('of the process');
  expect(passphrase.unlock('given', undefined)).toBe('given');
  expect(passphrase.unlock(undefined, undefined)).toBe('given');
  expect(passphrase.forTaking).toBe('given');
  passphrase.forget();
  expect(passphrase.forTaking).toBeUndefined();
  expect(() => keys().unlock(undefined, undefined)).toThrow(
    'The checkpoints of a are encrypted: give the passphrase with `cairn run --name a',
  );
});

test('an encrypted checkpoint asks for its own, also of a VM that takes plain ones', async () => {
  const checkpoint = await take('checkpoint1', 'open sesame');
  const passphrase = keys();
  expect(() => passphrase.unlock(undefined, checkpoint)).toThrow('The checkpoint checkpoint1 of a is encrypted');
  expect(() => passphrase.unlock('open barley', checkpoint)).toThrow('The passphrase is not that of the checkpoint file');
  expect(passphrase.unlock('open sesame', checkpoint)).toBe('open sesame');
  expect(passphrase.forTaking).toBeUndefined();
});

test('a start from the kernel is held to the passphrase of the checkpoint that the VM stands on, if that can be read', async () => {
  bundle.configure(config({ encrypted: true }));
  const { id } = await take('checkpoint1', 'open sesame');
  const passphrase = keys();
  expect(() => passphrase.unlock('open barley', undefined)).toThrow('The passphrase is not that of the checkpoint file');
  expect(passphrase.forTaking).toBeUndefined();
  expect(passphrase.unlock('open sesame', undefined)).toBe('open sesame');
  writeFileSync(bundle.checkpointPath(id), 'damaged');
  expect(passphrase.unlock('open barley', undefined)).toBe('open barley');
});
