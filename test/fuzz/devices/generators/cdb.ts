/** Commands of SCSI units: mostly ones that make sense, some of them damaged. */
import { Op } from '#engine/devices/scsi/cdb.ts';
import { be16, be32, be64, type Emit } from '../emit.ts';

/** A command and how many bytes it moves which way. */
export interface CdbCase {
  readonly cdb: readonly number[];
  readonly dataIn: number;
  readonly dataOut: readonly number[];
}

type Make = (emit: Emit, blockBytes: number) => CdbCase;

const answer = (cdb: readonly number[], dataIn: number): CdbCase => ({ cdb, dataIn, dataOut: [] });
const plain =
  (...cdb: number[]): Make =>
  () =>
    answer(cdb, 0);

function blocks(emit: Emit) {
  const first = emit.block();
  return { first, count: emit.chance(85) ? emit.random.below(9) : emit.word() & 0xffff };
}
const bytes = (count: number, blockBytes: number) => Math.min(count * blockBytes, 65536);
const flags = (emit: Emit) => (emit.chance(20) ? emit.byte() : 0);

const moves =
  (op: number, width: 6 | 10 | 12 | 16, write: boolean): Make =>
  (emit, blockBytes) => {
    const { first, count } = blocks(emit);
    const cdb = {
      6: [op, (first >>> 16) & 0x1f, ...be16(first & 0xffff), count & 0xff, 0],
      10: [op, flags(emit), ...be32(first), 0, ...be16(count), 0],
      12: [op, flags(emit), ...be32(first), ...be32(count), 0, 0],
      16: [op, flags(emit), ...be64(first), ...be32(count), 0, 0],
    }[width];
    const length = bytes(width === 6 ? count || 256 : count, blockBytes);
    return write ? { cdb, dataIn: 0, dataOut: Array<number>(Math.min(length, 4096)).fill(first & 0xff) } : answer(cdb, length);
  };

function unmap(emit: Emit): CdbCase {
  const count = emit.random.below(emit.chance(90) ? 4 : 300);
  const list = Array.from({ length: count }, () => {
    const { first, count } = blocks(emit);
    return [...be64(first), ...be32(count), 0, 0, 0, 0];
  }).flat();
  const all = [...be16(list.length + 6), ...be16(list.length), 0, 0, 0, 0, ...list];
  return { cdb: [Op.Unmap, flags(emit) & 1, 0, 0, 0, 0, 0, ...be16(all.length), 0], dataIn: 0, dataOut: all };
}

const writeSame =
  (op: number): Make =>
  emit => {
    const { first } = blocks(emit);
    const count = emit.random.below(emit.chance(70) ? 300 : 20_000);
    const how = flags(emit);
    const cdb = op === Op.WriteSame10 ? [op, how, ...be32(first), 0, ...be16(count), 0] : [op, how, ...be64(first), ...be32(count), 0, 0];
    return { cdb, dataIn: 0, dataOut: Array<number>(512).fill(emit.chance(50) ? 0 : emit.byte()) };
  };

const modeSelect =
  (op: number): Make =>
  emit => {
    const page = [0x08, 0x12, emit.chance(50) ? 4 : 0, ...Array<number>(17).fill(0)];
    const header = op === Op.ModeSelect6 ? [0, 0, 0, 0] : [0, 0, 0, 0, 0, 0, 0, 0];
    const list = [...header, ...(emit.chance(20) ? [0x0a] : page)];
    const cdb = op === Op.ModeSelect6 ? [op, 0x10, 0, 0, list.length, 0] : [op, 0x10, 0, 0, 0, 0, 0, ...be16(list.length), 0];
    return { cdb, dataIn: 0, dataOut: list };
  };

const asks =
  (op: number, ...rest: (number | 'any' | 'length')[]): Make =>
  emit => {
    const length = emit.chance(80) ? 0xff : emit.byte();
    return answer([op, ...rest.map(each => (each === 'any' ? emit.byte() : each === 'length' ? length : each))], 0x1000);
  };

const COMMON: readonly Make[] = [
  plain(Op.TestUnitReady, 0, 0, 0, 0, 0),
  asks(Op.RequestSense, 0, 0, 0, 'length', 0),
  asks(Op.Inquiry, 0, 0, 0, 'length', 0),
  emit => answer([Op.Inquiry, 1, emit.random.pick([0, 0x80, 0x83, 0xb0, 0xb1, 0xb2, 7]), 0, 0xff, 0], 255),
  asks(Op.ModeSense6, 8, 0x3f, 0, 'length', 0),
  asks(Op.ModeSense10, 'any', 'any', 0, 0, 0, 0, 0, 'length', 0),
  plain(Op.ReadCapacity10, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  moves(Op.Read10, 10, false),
  moves(Op.Read12, 12, false),
  moves(Op.Read10, 10, false),
  asks(Op.ReportLuns, 0, 'any', 0, 0, 0, 0, 0, 0, 'length', 0, 0),
];
const DISK: readonly Make[] = [
  moves(Op.Read6, 6, false),
  moves(Op.Read16, 16, false),
  moves(Op.Write6, 6, true),
  moves(Op.Write10, 10, true),
  moves(Op.Write12, 12, true),
  moves(Op.Write16, 16, true),
  moves(Op.Verify10, 10, false),
  moves(Op.Verify12, 12, false),
  moves(Op.Verify16, 16, false),
  moves(Op.SynchronizeCache10, 10, false),
  moves(Op.SynchronizeCache16, 16, false),
  unmap,
  writeSame(Op.WriteSame10),
  writeSame(Op.WriteSame16),
  modeSelect(Op.ModeSelect6),
  modeSelect(Op.ModeSelect10),
  asks(Op.ServiceActionIn16, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'length', 0, 0),
  asks(Op.MaintenanceIn, 0x0c, 'any', 'any', 0, 0, 0, 0, 0, 'length', 0, 0),
  plain(Op.StartStopUnit, 0, 0, 0, 1, 0),
  plain(Op.SendDiagnostic, 4, 0, 0, 0, 0),
];
const DISC: readonly Make[] = [
  emit => answer([Op.ReadCd, 0, ...be32(emit.random.below(1000)), 0, 0, emit.random.below(20), 0x10, 0, 0], 65536),
  emit => answer([Op.StartStopUnit, 0, 0, 0, emit.random.pick([0, 1, 2, 3, 3]), 0], 0),
  emit => answer([Op.PreventAllowRemoval, 0, 0, 0, emit.chance(30) ? 1 : 0, 0], 0),
  asks(Op.ReadToc, 'any', 'any', 0, 0, 0, 1, 0, 'length', 0),
  asks(Op.GetConfiguration, 0, 0, 0, 0, 0, 0, 0, 'length', 0),
  asks(Op.GetEventStatus, 1, 0, 0, 0x10, 0, 0, 0, 'length', 0),
  asks(Op.ReadDiscInformation, 0, 0, 0, 0, 0, 0, 0, 'length', 0),
  asks(Op.ReadDvdStructure, 0, 0, 0, 0, 0, 0, 0, 8, 'length', 0, 0),
  asks(Op.MechanismStatus, 0, 0, 0, 0, 0, 0, 0, 0, 'length', 0, 0),
  plain(Op.SetCdSpeed, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0),
  moves(Op.Seek10, 10, false),
];

export function cdbCase(emit: Emit, kind: 'disk' | 'disc'): CdbCase {
  const made = emit.random.pick([...COMMON, ...(kind === 'disk' ? DISK : DISC)])(emit, kind === 'disk' ? 512 : 2048);
  if (!emit.chance(8)) return made;
  const cdb = [...made.cdb];
  cdb[emit.random.below(cdb.length)] = emit.byte();
  return { ...made, cdb };
}
