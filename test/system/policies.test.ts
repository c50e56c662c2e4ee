/** Policies with a real machine: what is taken unasked is there to go back to. Waits for events, never for time. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HostService } from '#main/host-service.ts';
import { vmConfig, type HostClient, type Policy } from '#main/ipc/contract.ts';
import { decodeFrame, encodeFrame, FRAME_SERIAL_IN, FRAME_SERIAL_OUT } from '#main/ipc/frames.ts';
import { echoGuest } from '../support/echo-guest.ts';

let home: string;
let service: HostService;
let client: HostClient;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-policies-'));
  writeFileSync(join(home, 'guest'), echoGuest());
  service = new HostService({ libraryPath: join(home, 'library'), version: '0', readPower: () => undefined });
  client = service.connect();
});
afterEach(async () => {
  await service.close();
  rmSync(home, { recursive: true, force: true });
});

/** A running VM with this policy, and its serial port. */
async function started(change: Partial<Policy>) {
  const config = { memoryMiB: 16, kernel: join(home, 'guest'), append: '', debugExit: false, noReboot: false };
  await client.request('vm.create', { name: 'a', config: vmConfig.parse(config) });
  await client.request('policy.set', { name: 'a', policy: { ...(await client.request('policy.show', { name: 'a' })), ...change } });
  const { handle } = await client.request('console.attach', { name: 'a' });
  let text = '';
  let look = () => {};
  client.onFrame(bytes => {
    const frame = decodeFrame(bytes)!;
    if (frame.kind === FRAME_SERIAL_OUT) text += new TextDecoder().decode(frame.payload);
    look();
  });
  const says = (wanted: string) =>
    new Promise<void>(resolve => {
      look = () => text === wanted && resolve();
      look();
    });
  const type = (typed: string) => client.sendFrame(encodeFrame(FRAME_SERIAL_IN, 0, handle, new TextEncoder().encode(typed)));
  await client.request('vm.start', { name: 'a' });
  await says('ready\n');
  return { says, type };
}

const list = () => client.request('checkpoint.list', { name: 'a' });
/** Settles when the list of checkpoints answers what is wanted. */
async function until(isWanted: () => Promise<boolean>): Promise<void> {
  for (;;) {
    const changed = new Promise<void>(resolve => void client.on('checkpoints.changed', () => resolve()));
    if (await isWanted()) return;
    await changed;
  }
}

test('a guest that resets the machine waits until what it was is kept, and can be gone back to', async () => {
  const { says, type } = await started({ reset: true });
  await type('++');
  await says('ready\nAB');
  await type('r');
  await says('ready\nABready\n');
  const [kept] = await list();
  expect(kept).toMatchObject({ trigger: 'reset', title: 'Before a reset', running: true });
  await client.request('checkpoint.revert', { name: 'a', id: kept!.id });
  expect(await client.request('vm.show', { name: 'a' })).toMatchObject({ state: 'running', current: kept!.id });
});

test('periodic checkpoints are taken while it runs and thinned out as they age', async () => {
  const { type, says } = await started({ everySeconds: 1, keep: [{ forSeconds: 1, everySeconds: 0 }] });
  await client.request('checkpoint.take', { name: 'a', title: 'mine' });
  const events = async () => (await client.request('checkpoint.history', { name: 'a', limit: 100 })).history.map(({ event }) => event);
  await until(async () => (await events()).includes('eliminated'));
  const left = await list();
  expect(left.some(({ trigger }) => trigger === 'period')).toBe(true);
  expect(left.filter(({ trigger }) => trigger === 'user').map(({ title }) => title)).toEqual(['mine']);
  await client.request('policy.set', {
    name: 'a',
    policy: { ...(await client.request('policy.show', { name: 'a' })), everySeconds: null },
  });
  await client.request('checkpoint.revert', { name: 'a', id: left.at(-1)!.id });
  await type('+');
  await says('ready\nA');
});

test('a host that shuts down', async () => {
  await started({ shutdown: true });
  await service.hostEvent('suspend');
  expect(await list()).toEqual([]);
  await service.hostEvent('shutdown');
  expect(await list()).toMatchObject([{ trigger: 'shutdown', running: true }]);
});
