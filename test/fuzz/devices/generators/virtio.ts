/** Drivers of virtio devices, whatever their type: set up, rings, chains, tables; requests that make sense of the types that are known. */
import { type Emit, le16, le32, le64, type Place } from '../emit.ts';
import { cdbCase } from './cdb.ts';

const VENDOR = 0x1af4;
const FIRST_DEVICE_ID = 0x1040;
/** With as many units behind it as there are other devices. */
const SCSI_HOST = FIRST_DEVICE_ID + 8;
const COMMON = 0;
const ISR = 0x38;
const NOTIFY = 0x3c;
const DEVICE = 0x40;
/** Where each device has its rings, each queue its part of them, and all their buffers. */
const RINGS = 0x180000;
const DEVICE_AREA = 0x10000;
const QUEUE_AREA = 0x4000;
const AVAILABLE = 0x2000;
const USED = 0x3000;
const BUFFERS = 0x300000;
const MOST_QUEUES = 4;

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

interface Part {
  readonly bytes?: readonly number[];
  readonly length: number;
  readonly isWritable: boolean;
  /** Where it is not in a buffer. */
  readonly gpa?: number;
}
const reads = (bytes: readonly number[]): Part => ({ bytes, length: bytes.length, isWritable: false });
const writes = (length: number): Part => ({ length, isWritable: true });

interface DriverQueue {
  readonly index: number;
  readonly base: number;
  offered: number;
  nextDescriptor: number;
}

/** What the driver of one device knows. */
class Driver {
  readonly place: Place;
  readonly area: number;
  readonly type: number;
  size = 0;
  resets = -1;
  features = 0;
  queues: DriverQueue[] = [];

  constructor(place: Place, index: number) {
    this.place = place;
    this.area = RINGS + index * DEVICE_AREA;
    this.type = place.deviceId - FIRST_DEVICE_ID;
  }

  start(emit: Emit) {
    const { base } = this.place;
    const { random } = emit;
    this.resets = emit.resets;
    this.size = random.pick([4, 16, 64, 256, 256]);
    // The types' own features below 24, without those that this driver would have to heed; indirect tables and event indices.
    this.features = (random.next() & 0x30000000) | (this.type === 2 ? 0x6e46 : 0x24);
    emit.out8(base + 0x14, 0, 1, 3);
    for (const [select, bits] of [this.features, emit.chance(97) ? 1 : 0].entries()) {
      emit.out(base + 8, 4, select);
      emit.out(base + 0x0c, 4, bits);
    }
    emit.out8(base + 0x14, 0x0b);
    this.queues = Array.from({ length: MOST_QUEUES }, (_, index) => ({
      index,
      base: this.area + index * QUEUE_AREA,
      offered: 0,
      nextDescriptor: 0,
    }));
    for (const queue of this.queues) {
      emit.memory(queue.base + AVAILABLE, [0, 0, 0, 0]);
      emit.memory(queue.base + USED, [0, 0, 0, 0]);
      emit.out(base + 0x16, 2, queue.index);
      emit.out(base + 0x18, 2, this.size);
      for (const [i, at] of [0, AVAILABLE, USED].entries()) {
        emit.out(base + 0x20 + 8 * i, 4, emit.chance(99) ? queue.base + at : emit.word());
        emit.out(base + 0x24 + 8 * i, 4, 0);
      }
      emit.out(base + 0x1c, 2, 1);
    }
    emit.out8(base + 0x14, 0x0f);
  }

  offer(emit: Emit, queue: DriverQueue, parts: readonly Part[]) {
    const { random } = emit;
    const table = parts.map(part => {
      const gpa = part.gpa ?? BUFFERS + random.below(0x400) * 512 + (emit.chance(10) ? random.below(512) : 0);
      if (part.bytes && part.bytes.length > 0) emit.memory(gpa, part.bytes);
      return { gpa, length: part.length, flags: part.isWritable ? WRITE : 0, next: 0 };
    });
    const isIndirect = (this.features & (1 << 28)) !== 0 && emit.chance(30);
    const first = isIndirect ? 0 : queue.nextDescriptor;
    const size = isIndirect ? table.length : this.size;
    for (const [i, entry] of table.entries()) {
      entry.next = (first + i + 1) % size;
      if (i < table.length - 1) entry.flags |= NEXT;
    }
    if (emit.chance(6)) {
      damage(emit, table);
      if (emit.chance(60)) this.resets = -1; // it may want a reset now
    }
    const bytesOf = ({ gpa, length, flags, next }: (typeof table)[number]) => [
      ...le64(gpa),
      ...le32(length),
      ...le16(flags),
      ...le16(next),
    ];
    let head = queue.nextDescriptor;
    if (isIndirect) {
      const gpa = BUFFERS + random.below(0x400) * 512;
      emit.memory(gpa, table.flatMap(bytesOf));
      emit.memory(queue.base + 16 * head, bytesOf({ gpa, length: 16 * table.length, flags: INDIRECT, next: 0 }));
    } else for (const [i, entry] of table.entries()) emit.memory(queue.base + 16 * ((head + i) % this.size), bytesOf(entry));
    queue.nextDescriptor = (head + (isIndirect ? 1 : table.length)) % this.size;
    if (emit.chance(1)) head = random.below(300);
    emit.memory(queue.base + AVAILABLE + 4 + 2 * (queue.offered % this.size), le16(head));
    queue.offered = (queue.offered + (emit.chance(99) ? 1 : random.below(70_000))) & 0xffff;
    emit.memory(queue.base + AVAILABLE + 2, le16(queue.offered));
    if ((this.features & (1 << 29)) !== 0 && emit.chance(50))
      emit.memory(queue.base + AVAILABLE + 4 + 2 * this.size, le16(queue.offered - 1));
  }
}

function damage(emit: Emit, table: { gpa: number; length: number; flags: number; next: number }[]) {
  const entry = emit.random.pick(table);
  switch (emit.random.below(5)) {
    case 0:
      entry.gpa = emit.chance(50)
        ? emit.word()
        : emit.random.pick([0x9fff8, 0xb8000, 0xfffff, 0x3fffff, 0x400000, 0xfed00000, 2 ** 32 - 16, 2 ** 40]);
      return;
    case 1:
      entry.length = emit.word();
      return;
    case 2:
      entry.flags = emit.random.below(8);
      return;
    case 3:
      entry.next = emit.random.below(emit.chance(80) ? 70 : 0x10000);
      return;
    default:
      entry.gpa = 0;
      entry.length = 0xffffffff;
  }
}

// --- requests by type -------------------------------------------------------------------------------------------------

function blockRequest(emit: Emit): Part[] {
  const { random } = emit;
  const type = random.pick([0, 0, 1, 1, 4, 8, 11, 13, emit.chance(50) ? 0 : emit.byte()]);
  const sector = emit.block();
  const header = reads([...le32(type), ...le32(0), ...le64(sector)]);
  const sectors = random.pick([1, 1, 2, 8, 16]);
  const segment = () => [
    ...le64(random.below(10_000)),
    ...le32(emit.chance(90) ? random.below(2000) : emit.word()),
    ...le32(type === 13 && emit.chance(50) ? 1 : 0),
  ];
  const out = type === 11 || type === 13 ? Array.from({ length: 1 + random.below(emit.chance(90) ? 3 : 40) }, segment).flat() : undefined;
  const data =
    type === 1 ? [reads(Array<number>(512 * sectors).fill(sector & 0xff))] : out ? [reads(out)] : type === 0 ? [writes(512 * sectors)] : [];
  const id = type === 8 ? [writes(20)] : [];
  return [header, ...data, ...id, writes(1)];
}

function scsiCommand(emit: Emit): Part[] {
  const { random } = emit;
  const target = emit.chance(95) ? random.below(3) : emit.byte();
  const { cdb, dataIn, dataOut } = cdbCase(emit, target === 2 ? 'disc' : 'disk');
  const lun = [1, target, emit.chance(70) ? 0x40 : 0, emit.chance(95) ? 0 : emit.byte(), 0, 0, 0, 0];
  const header = [...lun, ...le64(random.below(1000)), 0, 0, 0, ...Array.from({ length: 32 }, (_, i) => cdb[i] ?? 0)];
  const ins = dataIn === 0 ? [] : emit.chance(70) ? [writes(dataIn)] : [writes(512), writes(Math.max(1, dataIn - 512))];
  return [reads(header), ...(dataOut.length > 0 ? [reads(dataOut)] : []), writes(12 + 96), ...ins];
}

function scsiControl(emit: Emit): Part[] {
  const { random } = emit;
  const type = random.pick([0, 0, 0, 1, 2, emit.byte()]);
  const target = [1, random.below(4), 0x40, 0, 0, 0, 0, 0];
  return [
    reads([...le32(type), ...le32(random.pick([0, 1, 3, 4, 5, emit.byte()])), ...target, ...le64(random.below(1000))]),
    writes(type === 0 ? 1 : 5),
  ];
}

function balloonRequest(emit: Emit, queue: number): Part[] {
  const { random } = emit;
  // Pages above the rings; a few of everything else.
  const page = () => (emit.chance(80) ? 0x200 + random.below(0x100) : emit.word());
  if (queue !== 2) return [reads(Array.from({ length: 1 + random.below(emit.chance(95) ? 8 : 600) }, page).flatMap(le32))];
  return Array.from({ length: 1 + random.below(4) }, (): Part => ({
    gpa: (page() * 4096) % 2 ** 32,
    length: emit.chance(90) ? 4096 * random.below(8) : emit.word(),
    isWritable: true,
  }));
}

/** Of a type that nothing is known of: something to read and something to write. */
const anyRequest = (emit: Emit): Part[] => [
  ...(emit.chance(50) ? [reads(Array.from({ length: 1 + emit.random.below(64) }, () => emit.byte()))] : []),
  writes(1 + emit.random.below(5000)),
];

function request(emit: Emit, { type }: Driver, queue: number): Part[] {
  if (emit.chance(2)) return anyRequest(emit);
  if (type === 2) return blockRequest(emit);
  if (type === 5) return balloonRequest(emit, queue);
  if (type === 8) return queue === 0 ? scsiControl(emit) : scsiCommand(emit);
  return anyRequest(emit);
}

/** As often as the others, however many queues it has: the one queue of commands of a SCSI host is its third. */
function chooseQueue(emit: Emit, { type }: Driver) {
  if (type === 8) return emit.chance(85) ? 2 : emit.random.below(3);
  return type === 5 ? emit.random.below(3) : 0;
}

export function virtio(): (emit: Emit) => void {
  const drivers = new Map<number, Driver>();
  const isStarted = (emit: Emit, driver: Driver) => driver.resets === emit.resets && driver.queues.length > 0;
  return emit => {
    const { random } = emit;
    const places = emit.places.filter(({ vendorId }) => vendorId === VENDOR);
    const place = random.pick(places.flatMap(each => Array<Place>(each.deviceId === SCSI_HOST ? 4 : 1).fill(each)));
    const { base } = place;
    const driver = drivers.get(place.slot) ?? new Driver(place, places.indexOf(place));
    drivers.set(place.slot, driver);
    if (!isStarted(emit, driver) || emit.chance(4)) driver.start(emit);
    if (emit.chance(3)) emit.out(base + COMMON + random.below(0x40), emit.size(), emit.word());
    if (emit.chance(5)) emit.in(base + random.below(0x80), emit.size());
    if (emit.chance(3)) emit.out(base + DEVICE + 4 * random.below(16), random.pick([1, 4] as const), emit.word());
    const queue = driver.queues[chooseQueue(emit, driver)]!;
    const burst = emit.chance(80) ? 1 : random.below(Math.max(2, driver.size >> 2));
    for (let i = 0; i < burst; i++) driver.offer(emit, queue, request(emit, driver, queue.index));
    emit.out(base + NOTIFY, 2, emit.chance(98) ? queue.index : emit.word());
    for (let i = random.below(4); i > 0; i--) emit.complete();
    if (emit.chance(60)) emit.in(base + ISR);
    if (emit.chance(30)) emit.advance(random.pick([100, 10_000, 60_000]));
  };
}
