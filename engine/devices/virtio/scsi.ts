/**
 * The virtio SCSI host (Virtual I/O Device Specification 1.1 § 5.6): a control queue, an event queue that nothing is reported in, and one queue of commands for
 * SCSI units at any target and LUN.
 *
 *   command   lun u8[8]  id u64  attribute u8  priority u8  crn u8  cdb u8[cdb_size] | data out …
 *             sense_len u32  residual u32  status_qualifier u16  status u8  response u8  sense u8[sense_size] | data in …
 *   control   type u32 … | response
 */
import { defineState, range, struct, type StateDefinition } from '../../state/state.ts';
import type { AccessSize, Device, GuestMemory } from '../device.ts';
import type { Drive, DriveRequest, GuestRange } from '../drive.ts';
import { gather, type GuestWrite, scatter, splitRanges, totalLength } from '../guest-ranges.ts';
import { CDB_BYTES } from '../scsi/cdb.ts';
import { withMedium } from '../scsi/cdrom.ts';
import { fixedSense, INVALID_FIELD_IN_CDB, type Sense } from '../scsi/sense.ts';
import { Status, type ScsiStep } from '../scsi/step.ts';
import type { ScsiUnit } from '../scsi/unit.ts';
import type { Chain } from './queue.ts';
import { type ScsiAddress, ScsiTargets } from './scsi-targets.ts';
import { unitsOf, withTurns } from './turns.ts';
import { virtioState, VirtioPci, type VirtioWiring } from './virtio-pci.ts';

const TYPE = 8;
const MASS_STORAGE_SCSI = 0x010000;
const CONTROL_QUEUE_SIZE = 64;
const COMMAND_QUEUE_SIZE = 256;
const Queue = { Control: 0, Event: 1, Command: 2 } as const;

/** § 5.6.4. */
const Config = {
  CommandQueues: 0,
  SegMax: 4,
  MaxSectors: 8,
  CommandsPerLun: 12,
  EventInfoBytes: 16,
  SenseBytes: 20,
  CdbBytes: 24,
  MaxChannel: 28,
  MaxTarget: 30,
  MaxLun: 32,
} as const;
const CONFIG_BYTES = 36;
const SEG_MAX = COMMAND_QUEUE_SIZE - 2; // request and response take one each
const MAX_SECTORS = 0xffff;
const COMMANDS_PER_LUN = 128;
const EVENT_INFO_BYTES = 16;
/** What the driver may set the sizes to; the first is that after reset. */
const SENSE_BYTES = { initial: 96, min: 18, max: 252 } as const;
const CDB_SIZE = { initial: 32, min: CDB_BYTES, max: 64 } as const;

/** § 5.6.6.1. */
const REQUEST_HEADER = 19;
const RESPONSE_HEADER = 12;
const Response = { Ok: 0, Overrun: 1, BadTarget: 3, FunctionRejected: 11, IncorrectLun: 12 } as const;

/** § 5.6.6.2. */
const ControlType = { TaskManagement: 0, NotificationQuery: 1, NotificationSubscribe: 2 } as const;
const CONTROL_BYTES = 24;
const Task = { Abort: 0, AbortSet: 1, ClearSet: 3, NexusReset: 4, LunReset: 5 } as const;

/** Beyond what a driver that heeds the limits asks for, also of a disc with its longer blocks. */
const MAX_TRANSFER_BYTES = 128 << 20;

/** A chain taken apart. */
interface ScsiRequest {
  readonly chain: Chain;
  readonly response: readonly GuestRange[];
  readonly dataOut: readonly GuestRange[];
  readonly dataIn: readonly GuestRange[];
}

/** What goes into a response; `moved`: the bytes of data that were. */
interface Outcome {
  readonly response?: number;
  readonly sense?: Sense;
  readonly moved?: number;
  readonly data?: readonly GuestWrite[];
}

export class VirtioScsi implements Device {
  /** Its fields depend on which units there are. */
  readonly definition: StateDefinition<ReturnType<VirtioScsi['stateFields']>>;
  private readonly memory: GuestMemory;
  private readonly targets: ScsiTargets;
  private readonly transport: VirtioPci;
  private senseBytes: number = SENSE_BYTES.initial;
  private cdbBytes: number = CDB_SIZE.initial;

  constructor(wiring: VirtioWiring, units: readonly (readonly [ScsiAddress, ScsiUnit])[]) {
    this.memory = wiring.memory;
    this.targets = new ScsiTargets(units);
    this.definition = defineState('virtio-scsi', 3, this.stateFields(), { 1: withMedia, 2: withTurns });
    this.transport = new VirtioPci(wiring, {
      type: TYPE,
      classCode: MASS_STORAGE_SCSI,
      features: 0,
      queueSizes: [CONTROL_QUEUE_SIZE, CONTROL_QUEUE_SIZE, COMMAND_QUEUE_SIZE],
      unserved: [Queue.Event],
      readConfig: () => this.readConfig(),
      writeConfig: (offset, size, value) => this.writeConfig(offset, size, value),
      request: (queue, chain) => (queue === Queue.Control ? this.control(chain) : this.command(chain)),
      reset: () => this.resetUnits(),
    });
  }

  // --- configuration ------------------------------------------------------------------------------------------------

  private readConfig() {
    const bytes = new Uint8Array(CONFIG_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(Config.CommandQueues, 1, true);
    view.setUint32(Config.SegMax, SEG_MAX, true);
    view.setUint32(Config.MaxSectors, MAX_SECTORS, true);
    view.setUint32(Config.CommandsPerLun, COMMANDS_PER_LUN, true);
    view.setUint32(Config.EventInfoBytes, EVENT_INFO_BYTES, true);
    view.setUint32(Config.SenseBytes, this.senseBytes, true);
    view.setUint32(Config.CdbBytes, this.cdbBytes, true);
    view.setUint16(Config.MaxTarget, this.targets.maxTarget, true);
    view.setUint32(Config.MaxLun, this.targets.maxLun, true);
    return bytes;
  }

  private writeConfig(offset: number, size: AccessSize, value: number) {
    const within = ({ min, max }: { min: number; max: number }) => size === 4 && value >= min && value <= max;
    if (offset === Config.SenseBytes && within(SENSE_BYTES)) this.senseBytes = value;
    else if (offset === Config.CdbBytes && within(CDB_SIZE)) this.cdbBytes = value;
  }

  // --- commands -----------------------------------------------------------------------------------------------------

  private command(chain: Chain): 'broken' | void {
    const header = gather(this.memory, chain.readable, REQUEST_HEADER + this.cdbBytes);
    const responseBytes = RESPONSE_HEADER + this.senseBytes;
    if (header.length < REQUEST_HEADER + this.cdbBytes || totalLength(chain.writable) < responseBytes) return 'broken';
    const [response, dataIn] = splitRanges(chain.writable, responseBytes);
    const request = { chain, response, dataIn, dataOut: splitRanges(chain.readable, header.length)[1] };
    const cdb = header.slice(REQUEST_HEADER, REQUEST_HEADER + CDB_BYTES);
    const found = this.targets.find(header);
    if (found === undefined) this.end(request, { response: Response.BadTarget });
    else this.carryOut(request, found.unit, cdb, found.execute(cdb));
  }

  private carryOut(request: ScsiRequest, unit: ScsiUnit | undefined, cdb: Uint8Array, step: ScsiStep) {
    switch (step.kind) {
      case 'good':
        this.end(request, {});
        return;
      case 'check':
        this.end(request, { sense: step.sense });
        return;
      case 'data-in': {
        const data = scatter(request.dataIn, step.bytes);
        this.end(request, { data, moved: data.reduce((sum, { bytes }) => sum + bytes.length, 0) });
        return;
      }
      case 'data-out':
        this.carryOut(request, unit, cdb, unit!.parameters(cdb, gather(this.memory, request.dataOut, step.length)));
        return;
      case 'read':
      case 'write':
        this.transfer(request, unit!, step);
        return;
      case 'requests':
        this.perform(request, unit!, step, step.requests, totalLength(request.dataOut));
    }
  }

  private transfer(request: ScsiRequest, unit: ScsiUnit, step: ScsiStep & { readonly kind: 'read' | 'write' }) {
    const { kind, offset, length } = step;
    const ranges = kind === 'read' ? request.dataIn : request.dataOut;
    if (length > MAX_TRANSFER_BYTES) this.end(request, { sense: INVALID_FIELD_IN_CDB });
    else if (totalLength(ranges) < length) this.end(request, { response: Response.Overrun });
    else this.perform(request, unit, step, [{ kind, offset, ranges: splitRanges(ranges, length)[0] }], length);
  }

  /** Submits everything at once; the command ends with the last of it. */
  private perform(request: ScsiRequest, unit: ScsiUnit, step: ScsiStep, work: readonly DriveRequest[], moved: number) {
    const drive = unit.drive!;
    const started = this.transport.start(Queue.Command, request.chain, this.ending(request, { moved }), unitsOf(work));
    const end = (failed: boolean) =>
      this.transport.finish(started, failed ? this.ending(request, { sense: unit.failure(step) }) : undefined);
    submitAll(drive, work, failed => {
      const durable = 'durable' in step && step.durable;
      if (durable && !failed) submitAll(drive, [{ kind: 'flush' }], end);
      else end(failed);
    });
  }

  private end(request: ScsiRequest, outcome: Outcome) {
    this.transport.finish(this.transport.start(Queue.Command, request.chain, this.ending(request, outcome)));
  }

  /** § 5.6.6.1: what the used ring counts is the response and what was read. */
  private ending(request: ScsiRequest, { response = Response.Ok, sense, moved = 0, data = [] }: Outcome) {
    const header = new Uint8Array(RESPONSE_HEADER + this.senseBytes);
    const view = new DataView(header.buffer);
    const bytes = sense ? fixedSense(sense).subarray(0, this.senseBytes) : new Uint8Array(0);
    const dataIn = totalLength(request.dataIn);
    const all = dataIn === 0 ? totalLength(request.dataOut) : dataIn;
    view.setUint32(0, bytes.length, true);
    view.setUint32(4, Math.max(0, all - moved) >>> 0, true);
    header[10] = sense ? Status.CheckCondition : Status.Good;
    header[11] = response;
    header.set(bytes, RESPONSE_HEADER);
    return { length: header.length + (dataIn === 0 ? 0 : moved), writes: [...data, ...scatter(request.response, header)] };
  }

  // --- control ------------------------------------------------------------------------------------------------------

  private control(chain: Chain): 'broken' | void {
    const bytes = gather(this.memory, chain.readable, CONTROL_BYTES);
    if (bytes.length < 4) return 'broken';
    const view = new DataView(bytes.buffer);
    const type = view.getUint32(0, true);
    let answer: Uint8Array;
    if (type === ControlType.TaskManagement) {
      if (bytes.length < CONTROL_BYTES) return 'broken';
      answer = Uint8Array.of(this.manageTask(view.getUint32(4, true), bytes.subarray(8, 16)));
    } else if (type === ControlType.NotificationQuery || type === ControlType.NotificationSubscribe) {
      answer = Uint8Array.of(0, 0, 0, 0, Response.Ok); // none of the notifications
    } else answer = Uint8Array.of(Response.FunctionRejected);
    if (totalLength(chain.writable) < answer.length) return 'broken';
    const writes = scatter(chain.writable, answer);
    this.transport.finish(this.transport.start(Queue.Control, chain, { length: answer.length, writes }));
  }

  /** Tasks are not taken back: they are waited for, and answered before the function that asked for their end. */
  private manageTask(task: number, address: Uint8Array): number {
    const found = this.targets.find(address);
    if (!found) return Response.BadTarget;
    switch (task) {
      case Task.Abort:
      case Task.AbortSet:
      case Task.ClearSet:
      case Task.LunReset:
        if (!found.unit) return Response.IncorrectLun;
        found.unit.drain();
        if (task === Task.LunReset) found.unit.reset();
        return Response.Ok;
      case Task.NexusReset:
        for (const unit of found.units) {
          unit.drain();
          unit.reset();
        }
        return Response.Ok;
      default:
        return Response.FunctionRejected;
    }
  }

  // --- state --------------------------------------------------------------------------------------------------------

  private resetUnits() {
    this.senseBytes = SENSE_BYTES.initial;
    this.cdbBytes = CDB_SIZE.initial;
    for (const { unit } of this.targets.all) {
      unit.drain();
      unit.reset();
    }
  }

  private stateFields() {
    return {
      transport: virtioState(3),
      senseBytes: range(SENSE_BYTES.min, SENSE_BYTES.max),
      cdbBytes: range(CDB_SIZE.min, CDB_SIZE.max),
      units: struct(Object.fromEntries(this.targets.all.map(({ name, unit }) => [name, unit.stateField]))),
    };
  }

  reset() {
    this.transport.reset();
  }
  saveState() {
    const { senseBytes, cdbBytes } = this;
    const units = Object.fromEntries(this.targets.all.map(({ name, unit }) => [name, unit.save()]));
    return { transport: this.transport.save(), senseBytes, cdbBytes, units };
  }
  loadState(raw: unknown) {
    const state = this.definition.parse(raw);
    this.transport.load(state.transport);
    this.senseBytes = state.senseBytes;
    this.cdbBytes = state.cdbBytes;
    for (const { name, unit } of this.targets.all) unit.load(state.units[name]);
  }
  restored() {
    this.transport.restored();
  }
}

/** Version 1 named no medium. */
function withMedia(old: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { units } = old;
  if (typeof units !== 'object' || units === null) return { ...old };
  return { ...old, units: Object.fromEntries(Object.entries(units).map(([name, unit]) => [name, withMedium(unit)])) };
}

/** All at once; done with the last of them. */
function submitAll(drive: Drive, work: readonly DriveRequest[], done: (failed: boolean) => void) {
  let pending = work.length;
  let failed = false;
  for (const request of work) {
    drive.submit(request, result => {
      failed ||= result === 'error';
      pending--;
      if (pending === 0) done(failed);
    });
  }
}
