import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Checkpoint, CheckpointTrigger, Policy } from '../ipc/contract.ts';
import { readPowerSupply } from './power-supply.ts';
import { VmPolicy, type Situation } from './vm-policy.ts';

const NONE: Policy = {
  everySeconds: null,
  keep: [],
  onBattery: false,
  batteryLowPercent: null,
  suspend: false,
  shutdown: false,
  reset: false,
  powerOff: false,
  diskLowMiB: null,
};
const GIB = 1024 ** 3;

/** A VM with its policy, and a clock that the test turns. */
class FakeLife {
  readonly policy: VmPolicy;
  now: Situation = { running: true, poweredOnMs: 0, checkpoints: [], freeBytes: 100 * GIB, power: undefined };
  private made = 0;
  constructor(policy: Partial<Policy>) {
    this.policy = new VmPolicy({ ...NONE, ...policy });
  }
  /** What it decides, done at once, after this many powered-on seconds more. */
  after(seconds: number, change: Partial<Situation> = {}) {
    this.now = { ...this.now, poweredOnMs: this.now.poweredOnMs + seconds * 1000, ...change };
    const decisions = this.policy.look(this.now);
    for (const decision of decisions) {
      if (decision.kind === 'take') this.add(decision.trigger);
      if (decision.kind === 'eliminate')
        this.now = { ...this.now, checkpoints: this.now.checkpoints.filter(({ id }) => !decision.ids.includes(id)) };
    }
    return decisions;
  }
  add(trigger: CheckpointTrigger, pinned = false): void {
    const { poweredOnMs } = this.now;
    const checkpoint = { id: `id${this.made++}`, trigger, pinned, poweredOnMs } as Checkpoint;
    this.now = { ...this.now, checkpoints: [...this.now.checkpoints, checkpoint] };
  }
  get ages() {
    return this.now.checkpoints.map(({ poweredOnMs }) => (this.now.poweredOnMs - poweredOnMs) / 1000);
  }
}
const period = [{ kind: 'take', trigger: 'period' }];

describe('periodic checkpoints', () => {
  test('come once a period of powered-on time, not while the VM is paused', () => {
    const life = new FakeLife({ everySeconds: 900 });
    expect(life.after(899)).toEqual([]);
    expect(life.after(1)).toEqual(period);
    expect(life.after(0)).toEqual([]);
    expect(life.after(899)).toEqual([]);
    expect(life.after(1, { running: false })).toEqual([]);
    expect(life.after(0, { running: true })).toEqual(period);
    expect(life.after(5000)).toEqual(period); // late by much: one, not several
    expect(life.after(1)).toEqual([]);
  });

  test('go on where they were when the VM is opened again', () => {
    const life = new FakeLife({ everySeconds: 900 });
    life.after(900);
    const again = new FakeLife({ everySeconds: 900 });
    again.now = life.now;
    expect(again.after(899)).toEqual([]);
    expect(again.after(1)).toEqual(period);
  });

  test('are not taken again because the last was eliminated, and wait a minute after one that failed', () => {
    const life = new FakeLife({ everySeconds: 900 });
    life.after(900);
    expect(life.after(1, { checkpoints: [] })).toEqual([]);
    life.now = { ...life.now, poweredOnMs: 1_800_000 };
    life.policy.failed('period', 1_800_000);
    expect(life.after(59)).toEqual([]);
    expect(life.after(1)).toEqual(period);
  });

  test('are thinned as they age; what the user took or keeps is not', () => {
    const life = new FakeLife({
      everySeconds: 10,
      keep: [
        { forSeconds: 60, everySeconds: 0 },
        { forSeconds: 600, everySeconds: 100 },
      ],
    });
    life.add('user');
    life.add('period', true);
    for (let n = 0; n < 100; n++) life.after(10);
    expect(life.ages).toEqual([1000, 1000, 600, 500, 400, 300, 200, 100, 60, 50, 40, 30, 20, 10, 0]);
  });
});

describe('a disk that is nearly full', () => {
  const policy = { everySeconds: 10, keep: [{ forSeconds: 10_000, everySeconds: 0 }], diskLowMiB: 1024 };

  test('is told once, holds periodic checkpoints back and thins them a step a look; room again is told, too', () => {
    const life = new FakeLife(policy);
    for (let n = 0; n < 64; n++) life.after(10);
    life.add('user');
    expect(life.now.checkpoints).toHaveLength(65);
    const [told, thinned, ...rest] = life.after(10, { freeBytes: GIB - 1 });
    expect(told).toEqual({ kind: 'low-on-room', freeBytes: GIB - 1 });
    expect(thinned).toMatchObject({ kind: 'eliminate' });
    expect(rest).toEqual([]);
    expect(life.now.checkpoints).toHaveLength(34);
    expect(life.after(10, { freeBytes: 1.2 * GIB })).toMatchObject([{ kind: 'eliminate' }]); // not yet enough
    for (let n = 0; n < 50; n++) life.after(0);
    expect(life.now.checkpoints.map(({ trigger }) => trigger).toSorted()).toEqual(['period', 'period', 'user']);
    expect(life.after(0)).toEqual([]);
    expect(life.after(0, { freeBytes: 1.25 * GIB })).toEqual([{ kind: 'room-again' }, ...period]);
    expect(life.after(10)).toEqual(period);
    expect(life.now.checkpoints).toHaveLength(5);
  });

  test('is of no interest without a limit, or when the host does not tell', () => {
    expect(new FakeLife({ ...policy, diskLowMiB: null }).after(10, { freeBytes: 0 })).toEqual(period);
    expect(new FakeLife(policy).after(10, { freeBytes: undefined })).toEqual(period);
  });
});

describe('power', () => {
  const battery = (percent: number | undefined, onBattery = true) => ({ power: { onBattery, percent } });

  test('turning to battery and running low are told once each, again after the mains were back', () => {
    const life = new FakeLife({ onBattery: true, batteryLowPercent: 10 });
    expect(life.after(1, battery(50, false))).toEqual([]);
    expect(life.after(1, battery(50))).toEqual([{ kind: 'take', trigger: 'on-battery' }]);
    expect(life.after(1, battery(11))).toEqual([]);
    expect(life.after(1, battery(10))).toEqual([{ kind: 'take', trigger: 'battery-low' }]);
    expect(life.after(1, battery(12))).toEqual([]);
    expect(life.after(1, battery(9))).toEqual([]);
    expect(life.after(1, battery(9, false))).toEqual([]);
    expect(life.after(1, battery(9))).toEqual([
      { kind: 'take', trigger: 'on-battery' },
      { kind: 'take', trigger: 'battery-low' },
    ]);
  });

  test('only what the policy asks for, and only of a VM that runs', () => {
    expect(new FakeLife({}).after(1, battery(1))).toEqual([]);
    expect(new FakeLife({ onBattery: true }).after(1, { ...battery(1), running: false })).toEqual([]);
    expect(new FakeLife({ onBattery: true, batteryLowPercent: 10 }).after(1, battery(undefined))).toEqual([
      { kind: 'take', trigger: 'on-battery' },
    ]);
  });

  test('events are the policy’s to want', () => {
    expect(new VmPolicy({ ...NONE, reset: true }).happened('reset')).toEqual([{ kind: 'take', trigger: 'reset' }]);
    expect(new VmPolicy({ ...NONE, powerOff: true }).happened('power-off')).toEqual([{ kind: 'take', trigger: 'power-off' }]);
    expect(new VmPolicy({ ...NONE, reset: true }).happened('suspend')).toEqual([]);
    expect(new VmPolicy({ ...NONE, shutdown: true }).happened('shutdown')).toEqual([{ kind: 'take', trigger: 'shutdown' }]);
  });
});

describe('what Linux says of the power', () => {
  function supplies(of: Record<string, Record<string, string>>) {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-power-'));
    for (const [name, properties] of Object.entries(of)) {
      mkdirSync(join(folder, name));
      for (const [property, value] of Object.entries(properties)) writeFileSync(join(folder, name, property), `${value}\n`);
    }
    const state = readPowerSupply(folder);
    rmSync(folder, { recursive: true });
    return state;
  }
  const BAT = { type: 'Battery', present: '1', status: 'Discharging', capacity: '40' };

  test.each([
    [
      'a notebook on the mains',
      { AC: { type: 'Mains', online: '1' }, BAT0: { ...BAT, status: 'Charging' } },
      { onBattery: false, percent: 40 },
    ],
    ['one on battery', { AC: { type: 'Mains', online: '0' }, BAT0: BAT }, { onBattery: true, percent: 40 }],
    [
      'two batteries',
      { AC: { type: 'Mains', online: '0' }, BAT0: BAT, BAT1: { ...BAT, capacity: '80' } },
      { onBattery: true, percent: 60 },
    ],
    ['no word of the mains', { BAT0: BAT }, { onBattery: true, percent: 40 }],
    ['no word of the charge', { BAT0: { type: 'Battery', status: 'Full' } }, { onBattery: false, percent: undefined }],
    ['a charge that is nonsense', { BAT0: { ...BAT, capacity: '4000' } }, { onBattery: true, percent: undefined }],
    ['a computer with a mouse', { mouse: { ...BAT, scope: 'Device' } }, undefined],
    ['an empty battery bay', { AC: { type: 'Mains', online: '1' }, BAT0: { ...BAT, present: '0' } }, undefined],
    ['nothing', {}, undefined],
  ])('%s', (_, of, expected) => {
    expect(supplies(of)).toEqual(expected);
  });

  test('another system', () => {
    expect(readPowerSupply('/no/such/folder')).toBeUndefined();
  });
});
