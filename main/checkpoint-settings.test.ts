import { expect, test } from 'vitest';
import { takeSettings } from './checkpoint-settings.ts';
import { vmConfig, type VmConfig } from './ipc/contract.ts';

const PLAIN = { memoryMiB: 64, append: '', debugExit: false, noReboot: false };
const config = (settings: object): VmConfig => vmConfig.parse({ ...PLAIN, ...settings });

test('a VM without settings leaves everything to the checkpoint worker', () => {
  expect(takeSettings(config({}))).toEqual({});
  expect(takeSettings(config({ compression: 'zstd', keepInRam: false }))).toEqual({});
});

test('settings become what the worker understands', () => {
  expect(takeSettings(config({ compression: 'none', copyLimitMiB: 2, keepInRam: true }))).toEqual({
    ...{ compression: 0, copyLimitBytes: 2 * 1024 * 1024, keepInRam: true },
  });
  expect(takeSettings(config({ encrypted: true }), 'open sesame')).toEqual({ passphrase: 'open sesame' });
  expect(takeSettings(config({ checkpointPace: 'fast' })).pace).toEqual([{ afterMs: 0, share: 1 }]);
  const steps = [
    { afterMs: 0, share: 0.1 },
    { afterMs: 500, share: 1 },
  ];
  expect(takeSettings(config({ checkpointPace: steps })).pace).toEqual(steps);
});

test.each([
  ['a word that is none', { checkpointPace: 'hasty' }],
  ['no step', { checkpointPace: [] }],
  ['a first step that begins late', { checkpointPace: [{ afterMs: 5, share: 1 }] }],
  ['steps that go back', { checkpointPace: [0, 20, 10].map(afterMs => ({ afterMs, share: 0.5 })) }],
  ['a share that never ends', { checkpointPace: [{ afterMs: 0, share: 0 }] }],
  ['a codec that is none', { compression: 'zip' }],
  ['no room for copies', { copyLimitMiB: 0 }],
])('%s is refused', (_, settings) => {
  expect(vmConfig.safeParse({ ...PLAIN, ...settings }).success).toBe(false);
});
