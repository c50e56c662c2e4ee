import { describe, expect, test } from 'vitest';
import type { Drive } from '#engine/devices/drive.ts';
import type { OpenedDisk } from './disk-protocol.ts';
import { Doorbell } from './doorbell.ts';
import { Outbox } from './outbox.ts';
import * as protocol from './protocol.ts';
import type { RunOptions } from './protocol.ts';
import { RingReader, RingWriter } from './ring.ts';
import { FakeMachine, type Step } from './testing/fake-machine.ts';
import { VcpuLoop, type VcpuCheckpoint, type VcpuDisks } from './vcpu-loop.ts';

const RING = 4096;
const OUT_RING = 1 << 16;
const exact: RunOptions = {
  pacing: 'virtual',
  rtc: 'host',
  noReboot: false,
  holdResets: false,
  startPaused: false,
  inputs: [],
  shareMemory: false,
  untilCount: undefined,
};

const noCheckpoint: VcpuCheckpoint = {
  prepare: () => {},
  take: () => {},
  refuse: () => {},
  whenStorageFails: () => {},
  work: () => false,
  ran: () => 0,
  readyRevert: () => 'there is none',
  dropFromRam: () => {},
};

const noDisks: VcpuDisks = {
  collect: () => {},
  deliver: () => true,
  trouble: undefined,
  retry: () => {},
  changeMedium: () => undefined,
  dropSubmitted: () => {},
};

/** A loop on this thread: what it waits for must have been posted before. */
function world(
  steps: Step[],
  options: Partial<RunOptions> = {},
  {
    canReboot = true,
    hostNowNs = (): number => 0,
    hostUnixSeconds = (): number => hostNowNs() / 1e9,
    disks = undefined as VcpuDisks | undefined,
    checkpoint = undefined as VcpuCheckpoint | undefined,
  } = {},
) {
  const buffer = new SharedArrayBuffer(128 + RING + 2 * OUT_RING);
  const bell = new Doorbell(buffer, 0);
  const kernelBell = new Doorbell(buffer, 4);
  const actionPlace = { buffer, offset: 128, size: RING };
  const serialPlace = { buffer, offset: 128 + RING, size: OUT_RING };
  const eventPlace = { buffer, offset: 128 + RING + OUT_RING, size: OUT_RING };
  const actions = new RingWriter(actionPlace);
  const rings = [new RingReader(serialPlace), new RingReader(eventPlace)];
  const outbox = new Outbox(new RingWriter(serialPlace), new RingWriter(eventPlace), kernelBell);
  const machine = new FakeMachine(outbox, steps);
  const loop = new VcpuLoop({
    machine,
    outbox,
    actions: new RingReader(actionPlace),
    bell,
    kernelBell,
    hostNowNs,
    hostUnixSeconds,
    checkpoint,
    disks,
    canReboot,
    options: { ...exact, ...options },
  });
  const drain = () => {
    const all = [];
    for (const ring of rings) for (let message = ring.read(); message !== undefined; message = ring.read()) all.push(message);
    return all;
  };
  const serial = (all = drain()) =>
    all
      .filter(e => e.kind === protocol.EVENT_SERIAL_OUT)
      .map(e => new TextDecoder().decode(e.payload.subarray(1)))
      .join('');
  return { loop, machine, actions, drain, serial, bell };
}

describe('the vcpu loop', () => {
  test('holds a reset until the kernel has kept what it wants, when it is asked to', () => {
    const steps: Step[] = [{ end: { kind: 'reset', cause: 'the guest' } }, { out: 'again' }, { end: { kind: 'power-off' } }];
    const goOn = { count: 1, action: protocol.ACTION_GO_ON_WITH_RESET, payload: protocol.encodeNumber(1) };
    const held = world(steps, { holdResets: true, inputs: [goOn] });
    expect(held.loop.run()).toEqual({ kind: 'power-off' });
    expect(held.machine.resets).toBe(1);
    const all = held.drain();
    expect(all.map(({ kind }) => kind)).toContain(protocol.EVENT_RESET_HELD);
    expect(held.serial(all)).toBe('again');
    const free = world(steps);
    free.loop.run();
    expect(free.machine.resets).toBe(1);
    expect(free.drain().map(({ kind }) => kind)).not.toContain(protocol.EVENT_RESET_HELD);
  });

  test('rests after each slice as long as the checkpoint software says, and the guest cannot tell', () => {
    const steps: Step[] = [{ nops: 1_000_000 }, { out: 'done' }, { end: { kind: 'power-off' } }];
    const run = (restNs: number) => {
      const ran: number[] = [];
      const checkpoint = { ...noCheckpoint, ran: (elapsedNs: number) => (ran.push(elapsedNs), restNs) };
      const one = world([...steps], {}, { checkpoint, hostNowNs: () => performance.now() * 1e6 });
      const begin = performance.now();
      expect(one.loop.run()).toEqual({ kind: 'power-off' });
      const tookMs = performance.now() - begin;
      return { tookMs, slices: ran.length, count: one.machine.instructionCount(), nowNs: one.machine.nowNs(), serial: one.serial() };
    };
    const free = run(0);
    const slowed = run(15e6);
    expect(slowed.tookMs).toBeGreaterThan(4 * 14);
    expect({ ...slowed, tookMs: 0 }).toEqual({ ...free, tookMs: 0 });
  });

  test('goes back once the disks have; a reset that was held is held no more', () => {
    const at = (action: number, payload: Uint8Array = new Uint8Array()) => ({ count: 1, action, payload });
    const back = (id: string) => at(protocol.ACTION_REVERT, protocol.encodeJson({ id }));
    const done: string[] = [];
    const checkpoint: VcpuCheckpoint = {
      ...noCheckpoint,
      refuse: (order, reason) => done.push(`no ${(order as { id: string }).id}: ${reason}`),
      readyRevert: order => {
        const { id } = order as { id: string };
        if (id === 'gone') return 'it is gone';
        one.actions.write(protocol.ACTION_SCANCODES, Uint8Array.of(7));
        one.actions.write(protocol.ACTION_CHECKPOINT, protocol.encodeJson({ id: 'another' }));
        one.actions.write(protocol.ACTION_REVERT, protocol.encodeJson({ id: 'another' }));
        one.actions.write(protocol.ACTION_REVERT_DECIDED, Uint8Array.of(id === 'kept' ? 1 : 0));
        return { way: 'ram', go: () => done.push(`${id} is back`), drop: () => done.push(`${id} is dropped`) };
      },
      dropFromRam: id => done.push(`without ${id}`),
    };
    const disks: VcpuDisks = { ...noDisks, dropSubmitted: () => done.push('the disks have gone back') };
    const inputs = [
      at(protocol.ACTION_DROP_FROM_RAM, protocol.encodeText('old')),
      back('gone'),
      back('undecided'),
      back('kept'),
      at(protocol.ACTION_GO_ON_WITH_RESET, protocol.encodeNumber(1)),
    ];
    const steps: Step[] = [{ end: { kind: 'reset', cause: 'the guest' } }, { end: { kind: 'power-off' } }];
    const one = world(steps, { holdResets: true, inputs }, { checkpoint, disks });
    expect(one.loop.run()).toEqual({ kind: 'power-off' });
    const busy = 'no another: The VM is going back to a checkpoint.';
    expect(done).toEqual(['without old', busy, 'undecided is dropped', busy, 'the disks have gone back', 'kept is back']);
    expect([one.machine.resets, one.machine.scancodes]).toEqual([0, [7, 7]]);
    const answers = one.drain().filter(({ kind }) => kind === protocol.EVENT_REVERT);
    const refused = { kind: 'refused', reason: 'The VM is going back to a checkpoint.' };
    const ready = { kind: 'ready', way: 'ram' };
    expect(answers.map(({ payload }) => protocol.decodeJson(payload))).toEqual([
      { kind: 'refused', reason: 'it is gone' },
      ...[ready, refused],
      ...[ready, refused, { kind: 'done' }],
    ]);
  });

  test('that has gone back while it is paused tells of its trays at once', () => {
    const open = { disk: 'disk0', isLocked: false, isOpen: true };
    const checkpoint: VcpuCheckpoint = {
      ...noCheckpoint,
      readyRevert: () => {
        one.actions.write(protocol.ACTION_REVERT_DECIDED, Uint8Array.of(1));
        one.actions.write(protocol.ACTION_STOP, new Uint8Array());
        return { way: 'file', go: () => (one.machine.trayStates = [{ ...open, isOpen: false }]), drop: () => {} };
      },
    };
    const one = world([], { startPaused: true }, { checkpoint });
    one.machine.trayStates = [open];
    one.actions.write(protocol.ACTION_REVERT, protocol.encodeJson({}));
    expect(one.loop.run()).toEqual({ kind: 'stopped' });
    const told = one.drain().flatMap(({ kind, payload }) => (kind === protocol.EVENT_TRAYS ? [protocol.decodeJson(payload)] : []));
    expect(told).toEqual([[open], [{ ...open, isOpen: false }]]);
  });

  test('that is paused while it waits for its disks, and resumed when storage holds it up after that, runs', () => {
    const checkpoint: VcpuCheckpoint = {
      ...noCheckpoint,
      readyRevert: () => {
        one.actions.write(protocol.ACTION_PAUSE, new Uint8Array());
        one.actions.write(protocol.ACTION_REVERT_DECIDED, Uint8Array.of(1));
        const go = () => {
          one.actions.write(protocol.ACTION_RESUME, new Uint8Array());
          one.loop.standStill('the file cannot be read.');
          one.actions.write(protocol.ACTION_STOP, new Uint8Array());
        };
        return { way: 'file', go, drop: () => {} };
      },
    };
    const one = world([], {}, { checkpoint });
    one.actions.write(protocol.ACTION_REVERT, protocol.encodeJson({}));
    expect(one.loop.run()).toEqual({ kind: 'stopped' });
    const states = one.drain().filter(({ kind }) => kind === protocol.EVENT_STATE);
    expect(states.map(({ payload }) => protocol.decodeState(payload))).toEqual([
      { paused: false, reason: undefined },
      { paused: true, reason: undefined },
      { paused: true, reason: 'the file cannot be read.' },
      { paused: false, reason: undefined },
    ]);
  });

  test('a world that waits for its disks to go back can be stopped', () => {
    const checkpoint: VcpuCheckpoint = {
      ...noCheckpoint,
      readyRevert: () => {
        one.actions.write(protocol.ACTION_STOP, new Uint8Array());
        return { way: 'file', go: () => {}, drop: () => {} };
      },
    };
    const inputs = [{ count: 1, action: protocol.ACTION_REVERT, payload: protocol.encodeJson({}) }];
    const one = world([{ nops: 10 }, { end: { kind: 'power-off' } }], { inputs }, { checkpoint });
    expect(one.loop.run()).toEqual({ kind: 'stopped' });
  });

  test('a reset that is held is done once, whoever says so first', () => {
    const steps: Step[] = [{ end: { kind: 'reset', cause: 'the guest' } }, { end: { kind: 'power-off' } }];
    const goOn = { count: 1, action: protocol.ACTION_GO_ON_WITH_RESET, payload: protocol.encodeNumber(1) };
    const { loop, machine } = world(steps, { holdResets: true, inputs: [{ ...goOn, action: protocol.ACTION_RESET }, goOn] });
    expect(loop.run()).toEqual({ kind: 'power-off' });
    expect(machine.resets).toBe(1);
  });

  test('a reset that is held once the VM has gone back is not let go by the word that was for the one before', () => {
    const reset: Step = { end: { kind: 'reset', cause: 'the guest' } };
    const resets: number[] = [];
    const checkpoint: VcpuCheckpoint = {
      ...noCheckpoint,
      readyRevert: () => {
        one.actions.write(protocol.ACTION_REVERT_DECIDED, Uint8Array.of(1));
        return { way: 'ram', go: () => {}, drop: () => {} };
      },
      dropFromRam: () => resets.push(one.machine.resets),
    };
    const at = (count: number, action: number, payload: Uint8Array = new Uint8Array()) => ({ count, action, payload });
    const goOn = (number: number) => at(2, protocol.ACTION_GO_ON_WITH_RESET, protocol.encodeNumber(number));
    const look = at(2, protocol.ACTION_DROP_FROM_RAM);
    const inputs = [at(1, protocol.ACTION_REVERT, protocol.encodeJson({})), goOn(1), look, goOn(2), look];
    const one = world([reset, reset, { end: { kind: 'power-off' } }], { holdResets: true, inputs }, { checkpoint });
    expect(one.loop.run()).toEqual({ kind: 'power-off' });
    expect(resets).toEqual([0, 1]);
    const held = one.drain().filter(({ kind }) => kind === protocol.EVENT_RESET_HELD);
    expect(held.map(({ payload }) => protocol.decodeNumber(payload))).toEqual([1, 2]);
  });

  test('sends all serial output before the end', () => {
    const { loop, drain, serial } = world([{ out: 'hello ' }, { nops: 700_000 }, { out: 'world' }, { end: { kind: 'power-off' } }]);
    expect(loop.run()).toEqual({ kind: 'power-off' });
    const all = drain();
    expect(serial(all)).toBe('hello world');
    expect(all.at(-1)!.kind).toBe(protocol.EVENT_END);
    expect(protocol.decodeJson(all.at(-1)!.payload)).toEqual({ kind: 'power-off' });
  });

  test('a halted guest in virtual time goes straight to its deadline', () => {
    const { loop, machine } = world([{ nops: 10 }, { halt: 5_000_000 }, { out: 'x' }, { end: { kind: 'power-off' } }]);
    loop.run();
    expect(machine.advances).toEqual([5_000_000]);
  });

  test('applies inputs at exactly their counts, whatever the slices are', () => {
    const inputs = [123, 250_001, 600_000].map((count, i) => ({ count, action: protocol.ACTION_SERIAL_IN, payload: Uint8Array.of(0, i) }));
    const { loop, machine } = world([{ nops: 1_000_000 }], { inputs });
    expect(loop.run()).toEqual({ kind: 'halted-for-good' });
    expect(machine.received).toEqual([123, 250_001, 600_000].map((count, i) => ({ count, bytes: [i] })));
  });

  test('input that the UART does not take at once is given later at counts that other stops do not move', () => {
    const run = (extra: number[]) => {
      const inputs = [
        { count: 100, action: protocol.ACTION_SERIAL_IN, payload: Uint8Array.of(0, 1, 2, 3) },
        ...extra.map(count => ({ count, action: protocol.ACTION_SCREEN_CREDIT, payload: new Uint8Array() })),
      ];
      const { loop, machine } = world([{ nops: 2_000_000 }], { inputs, untilCount: 1_900_000 });
      machine.uartRoom = 1;
      return loop.run();
    };
    const undisturbed = run([]);
    expect(undisturbed).toMatchObject({ kind: 'count-reached', count: 1_900_000 });
    expect(run([300, 260_000, 999_999])).toEqual(undisturbed);
  });

  test('a halted guest without a deadline is woken by the next input', () => {
    const { loop, machine } = world([{ halt: undefined }, { out: 'woken' }], {
      inputs: [{ count: 1e9, action: protocol.ACTION_SCANCODES, payload: Uint8Array.of(0x1e) }],
    });
    expect(loop.run()).toEqual({ kind: 'halted-for-good' });
    expect(machine.scancodes).toEqual([0x1e]);
  });

  test('a guest that halts and is given input that had to wait is not left asleep with its interrupt', () => {
    const second = { halt: 1e9 };
    const { loop, machine } = world([{ nops: 10 }, second, second, second, { end: { kind: 'power-off' } }], {
      inputs: [{ count: 10, action: protocol.ACTION_SERIAL_IN, payload: Uint8Array.of(0, 1, 2, 3, 4) }],
    });
    machine.uartRoom = 1;
    expect(loop.run()).toEqual({ kind: 'power-off' });
    expect(machine.received.map(({ bytes }) => bytes)).toEqual([[1], [2], [3], [4]]);
    expect(machine.advances).toEqual([]);
  });

  test('a reset starts the machine again, or ends the world when it may not', () => {
    const steps: Step[] = [{ end: { kind: 'reset', cause: 'port 92h' } }, { end: { kind: 'power-off' } }];
    const again = world([...steps]);
    expect(again.loop.run()).toEqual({ kind: 'power-off' });
    expect(again.machine.resets).toBe(1);
    expect(world([...steps], { noReboot: true }).loop.run()).toEqual({ kind: 'reset', cause: 'port 92h' });
    expect(world([...steps], {}, { canReboot: false }).loop.run()).toEqual({ kind: 'reset', cause: 'port 92h' });
  });

  test('screen frames need a credit and carry only changed rows', () => {
    const credit = (count: number) => ({ count, action: protocol.ACTION_SCREEN_CREDIT, payload: new Uint8Array() });
    let now = 0;
    const { loop, drain } = world(
      [{ draw: 'A' }, { nops: 1_000_000 }, { draw: 'B' }, { nops: 1_000_000 }, { draw: 'C' }, { nops: 1_000_000 }],
      { inputs: [credit(2_200_000)] },
      { hostNowNs: () => (now += 20_000_000) },
    );
    loop.run();
    const frames = drain().filter(e => e.kind === protocol.EVENT_SCREEN);
    expect(frames).toHaveLength(1); // the final frame has nothing new, and no second credit came
    expect(frames[0]!.payload.length).toBe(4 + 25 * 161);
    expect(frames[0]!.payload[5]).toBe('C'.charCodeAt(0));
  });

  test('a picture that is not to be had yet is sent later', () => {
    const credit = { count: 1, action: protocol.ACTION_SCREEN_CREDIT, payload: new Uint8Array() };
    let now = 0;
    const one = world(
      [{ draw: 'A' }, { nops: 1_000_000 }, { nops: 1_000_000 }, { nops: 1_000_000 }, { end: { kind: 'power-off' } }],
      { inputs: [credit] },
      { hostNowNs: () => (now += 20_000_000) },
    );
    one.machine.screensMissing = 2;
    one.loop.run();
    const frames = one.drain().filter(event => event.kind === protocol.EVENT_SCREEN);
    expect(frames.map(({ payload }) => payload[5])).toEqual(['A'.charCodeAt(0)]);
  });

  test('a host-paced guest is moved along with the host clock, by far less than a calibration takes', () => {
    let now = 0;
    const { loop, machine } = world(
      [{ nops: 300_000 }, { end: { kind: 'power-off' } }],
      { pacing: 'host' },
      { hostNowNs: () => (now += 500_000) },
    );
    loop.run();
    expect(machine.nowNs()).toBeGreaterThan(1_000_000);
    expect(Math.max(...machine.advances)).toBeLessThanOrEqual(500_000);
  });

  describe("the machine's battery-backed clock", () => {
    const steps = (): Step[] => [{ nops: 40_000 }, { end: { kind: 'power-off' } }];
    const hostTime = { pacing: 'host' } as const;

    test("is told the host's time between slices when it is a second off, and not else", () => {
      let seconds = 1e9 + 0.4;
      const { loop, machine } = world(steps(), hostTime, { hostUnixSeconds: () => seconds });
      machine.setHostTime(1e9);
      loop.run();
      expect(machine.told).toHaveLength(1);
      seconds = 1e9 + 5;
      const late = world(steps(), hostTime, { hostUnixSeconds: () => seconds });
      late.machine.setHostTime(1e9);
      late.loop.run();
      expect(late.machine.told.slice(1)).toEqual([{ count: 0, hostTime: seconds }]);
    });

    test('is told again after a pause, and when the host has slept', () => {
      let nowNs = 0;
      let sleptSeconds = 0;
      const pause = { count: 10_000, action: protocol.ACTION_PAUSE, payload: new Uint8Array() };
      const one = world(
        [{ nops: 10_000 }, { out: 'a' }, { nops: 2_000_000 }, { end: { kind: 'power-off' } }],
        { ...hostTime, inputs: [pause] },
        {
          hostNowNs: () => (nowNs += 20_000_000),
          hostUnixSeconds: () => nowNs / 1e9 + sleptSeconds,
          checkpoint: {
            ...noCheckpoint,
            work: () => {
              if (one.machine.nowNs() > 1_000_000 && sleptSeconds === 100) sleptSeconds = 5000; // in the middle of running
              return false;
            },
          },
        },
      );
      one.bell.sleep = () => {
        sleptSeconds = 100; // while it is paused
        one.actions.write(protocol.ACTION_RESUME, new Uint8Array());
        return true;
      };
      one.loop.run();
      const told = one.machine.told.map(({ hostTime: seconds }) => Math.floor(seconds! / 100) * 100);
      expect([told[0], ...new Set(told.slice(1))]).toEqual([100, 5000]);
    });

    test.each([{ ...hostTime, rtc: 'virtual' }, { pacing: 'virtual' }] as const)('is left alone with %o', options => {
      const { loop, machine } = world(steps(), options, { hostUnixSeconds: () => 1e9 });
      loop.run();
      expect(machine.told).toEqual([]);
    });

    test('and the generation are events at exact counts', () => {
      const inputs = [
        { count: 100, action: protocol.ACTION_HOST_TIME, payload: protocol.encodeSeconds(1.5e9) },
        { count: 200, action: protocol.ACTION_GENERATION, payload: new Uint8Array(16).fill(7) },
      ];
      const { loop, machine } = world(steps(), { inputs });
      loop.run();
      expect(machine.told).toEqual([
        { count: 100, hostTime: 1.5e9 },
        { count: 200, generation: new Uint8Array(16).fill(7) },
      ]);
    });
  });

  test('a host whose storage fails stops the guest until it is resumed, or nothing is held any more', () => {
    let ring = () => {};
    const trouble: (string | undefined)[] = [undefined, 'the disk is full', 'the disk is full', undefined];
    const disks = {
      retries: 0,
      delivered: 0,
      collect: () => {
        trouble.shift();
        ring(); // as the disk worker does
      },
      deliver: () => ++disks.delivered > 1, // first it is not done
      get trouble() {
        return trouble[0];
      },
      retry: () => void disks.retries++,
      changeMedium: () => undefined,
      dropSubmitted: () => {},
    };
    const { loop, drain, bell } = world([{ nops: 1000 }, { end: { kind: 'power-off' } }], {}, { disks });
    ring = () => bell.ring();
    expect(loop.run()).toEqual({ kind: 'power-off' });
    const states = drain().filter(e => e.kind === protocol.EVENT_STATE);
    expect(states.map(({ payload }) => protocol.decodeState(payload))).toEqual([
      { paused: false, reason: undefined },
      { paused: true, reason: 'the disk is full' },
      { paused: false, reason: undefined },
    ]);
    expect(disks.delivered).toBe(2);
  });

  test('what cannot be loaded late holds the guest where it is until it is resumed; other actions keep their order', () => {
    const refused: string[] = [];
    let tries = 0;
    const checkpoint: VcpuCheckpoint = {
      ...noCheckpoint,
      refuse: (_order, reason) => void refused.push(reason),
      work: () => {
        if (tries++ > 0) return false;
        one.actions.write(protocol.ACTION_CHECKPOINT, protocol.encodeJson({ id: 'a' }));
        one.actions.write(protocol.ACTION_SCANCODES, Uint8Array.of(1));
        one.actions.write(protocol.ACTION_PAUSE, new Uint8Array());
        one.actions.write(protocol.ACTION_SCANCODES, Uint8Array.of(2));
        one.actions.write(protocol.ACTION_RESUME, new Uint8Array());
        one.actions.write(protocol.ACTION_SCANCODES, Uint8Array.of(3));
        one.loop.standStill('the file cannot be read.');
        return false;
      },
    };
    const one = world([{ nops: 1_000_000 }, { end: { kind: 'power-off' } }], {}, { checkpoint });
    expect(one.loop.run()).toEqual({ kind: 'power-off' });
    expect(refused).toEqual(['the file cannot be read.']);
    expect(one.machine.scancodes.join()).toBe('1,2,3');
    const states = one.drain().filter(e => e.kind === protocol.EVENT_STATE);
    expect(states.map(({ payload }) => protocol.decodeState(payload))).toEqual([
      { paused: false, reason: undefined },
      { paused: true, reason: 'the file cannot be read.' },
      { paused: false, reason: undefined },
    ]);
  });

  describe('a disc is changed', () => {
    const opened = { name: 'disk1', sizeBytes: 2048, fingerprint: 'new' } as OpenedDisk;
    const disks = {
      ...noDisks,
      changeMedium: ({ fingerprint }: OpenedDisk) => ({ fingerprint }) as Drive,
    };
    const order = (force: boolean) => protocol.encodeJson({ opened, force });
    const told = (events: { kind: number; payload: Uint8Array }[], kind: number) =>
      events.filter(event => event.kind === kind).map(({ payload }) => protocol.decodeJson(payload));
    const start = (isLocked: boolean, force: boolean) => {
      const one = world([{ nops: 1000 }, { end: { kind: 'power-off' } }], {}, { disks });
      one.machine.trayStates = [{ disk: 'disk1', isLocked, isOpen: false }];
      one.actions.write(protocol.ACTION_MEDIUM, order(force));
      one.loop.run();
      return { ...one, events: one.drain() };
    };

    test('between two slices, and how the trays are is told when that changes', () => {
      const { machine, events } = start(false, false);
      expect(machine.discs).toEqual([['disk1', 'new']]);
      expect(told(events, protocol.EVENT_MEDIUM)).toEqual([{ outcome: 'changed' }]);
      expect(told(events, protocol.EVENT_TRAYS)).toEqual([[{ disk: 'disk1', isLocked: false, isOpen: false }]]);
    });

    test('not while the guest holds the tray locked, which hears of it, unless it is forced', () => {
      const { machine, events } = start(true, false);
      expect([machine.discs, machine.ejectsPressed]).toEqual([[], ['disk1']]);
      expect(told(events, protocol.EVENT_MEDIUM)).toEqual([{ outcome: 'locked' }]);
      expect(start(true, true).machine).toMatchObject({ discs: [['disk1', 'new']], ejectsPressed: [] });
    });

    test('not in a world that stands still', () => {
      const checkpoint: VcpuCheckpoint = {
        ...noCheckpoint,
        work: () => {
          one.actions.write(protocol.ACTION_MEDIUM, order(true));
          one.actions.write(protocol.ACTION_STOP, new Uint8Array());
          one.loop.standStill('the file cannot be read.');
          return false;
        },
      };
      const one = world([{ nops: 10 }], {}, { checkpoint, disks });
      expect(one.loop.run()).toEqual({ kind: 'stopped' });
      expect(one.machine.discs).toEqual([]);
      expect(told(one.drain(), protocol.EVENT_MEDIUM)).toEqual([{ outcome: 'busy' }]);
    });
  });

  test('a world that stands still can be stopped', () => {
    const checkpoint: VcpuCheckpoint = {
      ...noCheckpoint,
      work: () => {
        one.actions.write(protocol.ACTION_STOP, new Uint8Array());
        one.loop.standStill('the file cannot be read.');
        return false;
      },
    };
    const one = world([{ nops: 10 }], {}, { checkpoint });
    expect(one.loop.run()).toEqual({ kind: 'stopped' });
  });
});
