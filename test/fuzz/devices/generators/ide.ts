/** Hosts of the two IDE channels: registers, PIO, bus master, packets; whole commands most of the time. */
import { Command } from '#engine/devices/ide/registers.ts';
import { TRANSFERS } from '#engine/devices/ide/transfers.ts';
import { type Emit, le32 } from '../emit.ts';
import { cdbCase } from './cdb.ts';

const CHANNELS = [
  { base: 0x1f0, control: 0x3f6, busMaster: 0 },
  { base: 0x170, control: 0x376, busMaster: 8 },
] as const;
type Channel = (typeof CHANNELS)[number];
const TRIM = [Command.DataSetManagement, { protocol: 'dma', write: true, ext: false }] as const;
const PRD_TABLE = 0x110000;
const DATA = 0x300000;
const WITHOUT_DATA: readonly number[] = [
  ...[Command.Recalibrate, Command.Seek, Command.ReadVerify, Command.ReadVerifyExt, Command.SetMultiple, Command.InitializeParameters],
  ...[Command.FlushCache, Command.FlushCacheExt, Command.SetFeatures, Command.CheckPowerMode, Command.Standby, Command.Idle, Command.Sleep],
  ...[Command.Nop, Command.DeviceReset, Command.ExecuteDiagnostic, Command.IdentifyPacketDevice, Command.IdentifyDevice],
];

export function ide(emit: Emit) {
  const { random } = emit;
  const channel = random.pick(CHANNELS);
  const busMaster = (emit.places.find(({ deviceId }) => deviceId === 0x7010)?.base ?? 0xc000) + channel.busMaster;
  const device = random.below(2);
  switch (random.below(13)) {
    case 0:
      emit.out8(channel.base + 1 + random.below(7), emit.byte());
      return;
    case 1:
      emit.out8(channel.control, random.pick([0, 0, 0, 2, 4, 6, 0x80, emit.byte()]));
      if (emit.chance(80)) emit.out8(channel.control, 0);
      return;
    case 2:
      emit.in(channel.base + random.below(8), emit.size());
      return;
    case 3:
      emit.out(busMaster + random.below(8), emit.size(), emit.word());
      return;
    case 4:
    case 5:
    case 6:
    case 7:
      packet(emit, channel, busMaster, emit.chance(90) ? 1 : device);
      return;
    case 9:
      both(emit, channel, device);
      return;
    case 8:
      select(emit, channel, device, 0, emit.byte());
      emit.out8(channel.base + 1, random.pick([2, 3, 0x55, 0x66, 0x82, 0xaa, 0xcc, emit.byte()]));
      emit.out8(channel.base + 7, random.pick(WITHOUT_DATA));
      end(emit, channel, 512);
      return;
    default:
      transfer(emit, channel, busMaster, emit.chance(90) ? 0 : device);
  }
}

function select(emit: Emit, { base }: Channel, device: number, lba: number, count: number) {
  emit.out8(base + 6, 0xe0 | (device << 4) | ((lba >>> 24) & (emit.chance(90) ? 0 : 0x0f)));
  emit.out8(base + 2, count);
  for (const [i, shift] of [0, 8, 16].entries()) emit.out8(base + 3 + i, lba >>> shift);
}

/** What a host does until a command has ended; how often it would have to is not known. */
function end(emit: Emit, { base, control }: Channel, bytes: number) {
  for (let block = 0; block < 1 + emit.random.below(3); block++) {
    if (emit.chance(80)) emit.complete();
    if (emit.chance(50)) emit.in(control);
    if (emit.chance(80)) emit.in(base + 7);
    if (emit.chance(75))
      emit.add({
        kind: emit.chance(70) ? 'ins' : 'outs',
        port: base,
        size: emit.random.pick([2, 4] as const),
        count: Math.ceil(bytes / 2),
      });
  }
}

/** One device has a command under way, and the other gets one. */
function both(emit: Emit, channel: Channel, device: number) {
  const { random } = emit;
  const first = random.pick([
    Command.IdentifyDevice,
    Command.IdentifyPacketDevice,
    Command.ReadSectors,
    Command.WriteSectors,
    Command.Packet,
  ]);
  select(emit, channel, device, emit.block() % 2 ** 28, 1);
  emit.out8(channel.base + 7, first);
  if (emit.chance(50)) emit.complete();
  emit.out8(channel.base + 6, 0xa0 | ((device ^ 1) << 4));
  emit.out8(channel.base + 7, emit.chance(50) ? Command.ExecuteDiagnostic : random.pick(WITHOUT_DATA));
  if (emit.chance(20)) emit.add({ kind: 'reload' });
  if (emit.chance(50)) emit.out8(channel.base + 6, 0xa0 | (device << 4));
  end(emit, channel, 512);
}

function regions(emit: Emit, busMaster: number, bytes: number) {
  const { random } = emit;
  const table: number[] = [];
  let left = bytes;
  while (left > 0 && table.length < 8 * 24) {
    const length = Math.min(left, random.pick([512, 1024, 2048, 4096, 0x10000, 2]));
    left -= length;
    const gpa = emit.chance(95) ? DATA + random.below(0x80) * 512 : emit.word();
    table.push(...le32(gpa), ...le32(((length & 0xffff) | (left <= 0 && emit.chance(95) ? 0x80000000 : 0)) >>> 0));
  }
  emit.memory(PRD_TABLE, table);
  emit.out(busMaster + 4, 4, emit.chance(95) ? PRD_TABLE : emit.word());
}

function transfer(emit: Emit, channel: Channel, busMaster: number, device: number) {
  const { random } = emit;
  const [command, { protocol, write, ext }] = random.pick([...TRANSFERS, TRIM]);
  const count = random.pick([1, 1, 2, 3, 8, 0, emit.byte()]);
  const lba = emit.block() % 2 ** 32;
  if (ext && emit.chance(70)) {
    emit.out8(channel.base + 2, emit.chance(95) ? 0 : emit.byte());
    for (const register of [3, 4, 5]) emit.out8(channel.base + register, emit.chance(90) ? 0 : emit.byte());
  }
  const bytes = (count || 256) * 512;
  select(emit, channel, device, lba, count);
  const early = emit.chance(30);
  if (command === Command.DataSetManagement) {
    emit.out8(channel.base + 1, 1);
    emit.out8(channel.base + 2, emit.chance(90) ? 1 : count);
    emit.memory(DATA, Array.from({ length: 64 }, () => [...le32(random.below(90_000)), 0, 0, emit.chance(90) ? 0 : 1, 0]).flat());
  }
  if (protocol === 'dma') regions(emit, busMaster, emit.chance(80) ? bytes : bytes / 2);
  if (protocol === 'dma' && early) emit.out8(busMaster, write ? 1 : 9);
  emit.out8(channel.base + 7, command);
  if (protocol === 'dma') endDma(emit, channel, busMaster, early, write);
  else end(emit, channel, 512);
}

function endDma(emit: Emit, { base }: Channel, busMaster: number, isStarted: boolean, write: boolean) {
  if (!isStarted) emit.out8(busMaster, write ? 1 : 9);
  if (emit.chance(85)) emit.complete();
  if (emit.chance(85)) emit.advance(20_000);
  if (emit.chance(85)) emit.out8(busMaster, 0);
  if (emit.chance(85)) emit.out8(busMaster + 2, emit.chance(90) ? 6 : emit.byte());
  if (emit.chance(85)) emit.in(base + 7);
}

function packet(emit: Emit, channel: Channel, busMaster: number, device: number) {
  const { base } = channel;
  const dma = emit.chance(40);
  const { cdb, dataIn } = cdbCase(emit, 'disc');
  emit.out8(base + 6, 0xa0 | (device << 4));
  emit.out8(base + 1, dma ? 1 : 0);
  emit.out8(base + 4, ...[emit.chance(80) ? 0 : emit.byte()]);
  emit.out8(base + 5, emit.random.pick([0x08, 0x40, 0xff, 0, emit.byte()]));
  if (dma) regions(emit, busMaster, Math.min(dataIn || 512, 32_768));
  emit.out8(base + 7, Command.Packet);
  const bytes = Array.from({ length: 12 }, (_, i) => cdb[i] ?? 0);
  for (let i = 0; i < 12; i += 2) emit.out(base, 2, bytes[i]! | (bytes[i + 1]! << 8));
  if (dma) endDma(emit, channel, busMaster, false, false);
  else end(emit, channel, Math.min(dataIn || 18, 2048));
}
