import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { BusRam, PoolExhausted } from '#test/support/pci-bench.ts';
import { VmGeneration } from './vm-generation.ts';

const ADDRESS = 0xe8028;
const FIRST = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
const SECOND = FIRST.map(byte => byte + 100);

function plug(bench: Bench) {
  const ram = new BusRam();
  const told: number[] = [];
  const generation = new VmGeneration({ memory: ram, time: bench.time, address: ADDRESS, notify: () => told.push(bench.count) }, FIRST);
  return { ram, told, generation, found: () => ram.bytes.slice(ADDRESS, ADDRESS + 16) };
}

deviceContract('vm generation', bench => plug(bench).generation, [(_bench, generation) => generation.change(SECOND)]);

test('firmware leaves it in memory, and tells nobody', () => {
  const { generation, found, told } = plug(new Bench());
  generation.place();
  expect([found(), told]).toEqual([FIRST, []]);
});

test('a change is in memory before the guest is told, between instructions', () => {
  const bench = new Bench();
  const { generation, found, told, ram } = plug(bench);
  generation.place();
  bench.count = 500;
  generation.change(SECOND);
  expect([found(), told]).toEqual([FIRST, []]);
  ram.failAfter = 0; // no page for it: the next time
  expect(() => bench.time.fireDue()).toThrow(PoolExhausted);
  expect([found(), told]).toEqual([FIRST, []]);
  ram.failAfter = undefined;
  bench.time.fireDue();
  expect([found(), told]).toEqual([SECOND, [500]]);
  bench.pass(1e9);
  expect(told).toEqual([500]);
});

test('a change that the guest was not told of is told by the restored machine', () => {
  const bench = new Bench();
  plug(bench).generation.loadState({ guid: SECOND, isToBeTold: true });
  const other = plug(bench);
  other.generation.loadState({ guid: SECOND, isToBeTold: true });
  bench.time.fireDue();
  expect([other.found(), other.told]).toEqual([SECOND, [0]]);
});

test('a reset takes back what was to be told: a guest that starts anew finds it', () => {
  const bench = new Bench();
  const { generation, found, told } = plug(bench);
  generation.change(SECOND);
  generation.reset();
  generation.place();
  bench.pass(1e9);
  expect([found(), told]).toEqual([SECOND, []]);
});
