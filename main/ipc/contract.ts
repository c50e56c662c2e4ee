/**
 * The one typed contract between a surface (window, browser, CLI) and the host service. Requests and events are JSON-able and
 * schema-checked on arrival; console traffic is binary (frames.ts), never JSON. Renderers import types from here only.
 */
import { z } from 'zod';
import { LEAST_DEPTH, MOST_DEPTH } from '#engine/disk/graph/depth.ts';

/** What file systems take for a name, less what Cairn adds to it for a moment. */
const MOST_NAME_BYTES = 200;

/** Also the bundle's folder name (`NAME.cairn`), of letters and digits of any script, as the file system has it. */
export const vmName = z
  .string()
  .regex(
    /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._ -]{0,63}$/u,
    'a VM name has 1 to 64 letters, digits, dots, dashes, underscores or spaces and starts with a letter or digit',
  )
  .refine(name => new TextEncoder().encode(name).length <= MOST_NAME_BYTES, 'a VM name has at most 200 bytes');
export const checkpointId = z.string().regex(/^[0-9a-z]{8,32}$/, 'a checkpoint id is 8 to 32 lower-case letters and digits');

const title = z.string().max(200, 'a title has at most 200 characters');

/** How a VM's disks are kept with its checkpoints: METHOD.md's second, third and first implementation. */
export const checkpointMode = z.enum(['chain', 'copy', 'full-copy']);
export type CheckpointMode = z.infer<typeof checkpointMode>;

const imageFormat = z.enum(['raw', 'qcow2']);
const allowedPaths = z.array(z.string().min(1)).max(64, 'at most 64 files and folders can be allowed');

/** An image that is attached where it lies, or a CD-ROM drive that may be empty. */
export const vmDisk = z
  .object({
    /** '': a CD-ROM drive without a disc. */
    path: z.string(),
    /** Undefined: what the file's name and its contents say together, and refused where they do not agree. */
    format: imageFormat.optional(),
    /** Files and folders besides the image's own in which its backing files may lie. */
    allow: allowedPaths.optional(),
    interface: z.enum(['virtio', 'ide', 'scsi']),
    media: z.enum(['disk', 'cdrom']),
    readonly: z.boolean(),
    /** `writethrough`: every write is durable before the guest hears that it is done; `unsafe`: nothing is, before the VM is off. */
    cache: z.enum(['writeback', 'writethrough', 'unsafe']),
    /** The image itself is written, not a COW file in the bundle. */
    writeBase: z.boolean().default(false),
  })
  .refine(disk => disk.path !== '' || isDrive(disk), {
    path: ['path'],
    error: 'a disk needs the path of its image; only a CD-ROM drive at IDE or SCSI can be empty',
  });
export type VmDisk = z.infer<typeof vmDisk>;

/** At virtio there are only disks. */
const isDrive = (disk: { media: string; interface: string }) => disk.media === 'cdrom' && disk.interface !== 'virtio';

/** From `afterMs` after a checkpoint's start its writing takes `share` of the time, 0 to 1. */
export const paceStep = z.object({ afterMs: z.number().min(0).max(86_400_000), share: z.number().min(0.01).max(1) });
/** How hard the checkpoint software works beside the guest (METHOD.md § 110): a word, or steps. */
export const checkpointPace = z.union([
  z.enum(['gentle', 'normal', 'fast']),
  z
    .array(paceStep)
    .min(1)
    .max(16)
    .refine(
      steps => steps.every(({ afterMs }, n) => (n === 0 ? afterMs === 0 : afterMs > steps[n - 1]!.afterMs)),
      'the steps begin at 0 ms, and each comes later than the one before it',
    ),
]);
export type CheckpointPace = z.infer<typeof checkpointPace>;

export const vmConfig = z.object({
  memoryMiB: z.int('a whole number of MiB is wanted').min(4, 'a VM needs at least 4 MiB').max(3072, 'a VM can have at most 3072 MiB'),
  /** Path of a bzImage or a Multiboot 1 file; undefined for a VM that starts from a checkpoint only. */
  kernel: z.string().optional(),
  initrd: z.string().optional(),
  append: z.string(),
  debugExit: z.boolean(),
  /** A guest reset powers the VM off instead. */
  noReboot: z.boolean(),
  disks: z.array(vmDisk).max(16, 'a VM can have at most 16 disks').default([]),
  /** A memory balloon: the guest can be asked to give memory back, which checkpoints then do not save. */
  balloon: z.boolean().optional(),
  /** A virtio entropy device, which gives the guest random numbers of this computer's; undefined: there is one. */
  rng: z.boolean().optional(),
  /** The guest's battery-backed clock shows this computer's time also after a pause or a revert; `virtual`: it goes on from where it was. Undefined: host. */
  rtc: z.enum(['host', 'virtual']).optional(),
  /** Which disk files checkpoints leave (METHOD.md): `chain` the second implementation, `copy` the third, `full-copy` the first. */
  checkpointMode: checkpointMode.default('chain'),
  /** How many files a chain is to have at most: what is read through longer ones is copied together in the background; undefined: DEFAULT_DEPTH. */
  chainDepth: z
    .int('a whole number of files is wanted')
    .min(LEAST_DEPTH, `chains may have ${LEAST_DEPTH} files or more`)
    .max(MOST_DEPTH, `chains are kept to at most ${MOST_DEPTH} files`)
    .optional(),
  /** A new checkpoint replaces the one before it (fig. 4C). */
  overwrite: z.boolean().default(false),
  /** Of checkpoint files. Undefined: zstd. */
  compression: z.enum(['zstd', 'none']).optional(),
  /** Undefined: normal. */
  checkpointPace: checkpointPace.optional(),
  /** The guest is slowed before copies of pages, made while checkpoints are written, take more (METHOD.md § 111); undefined: a quarter of the VM's page pool. */
  copyLimitMiB: z
    .int('a whole number of MiB is wanted')
    .min(1, 'copies need at least 1 MiB')
    .max(4096, 'copies can take at most 4096 MiB')
    .optional(),
  /** The memory of the last checkpoints stays in RAM, too, so that a revert to one takes about a millisecond. */
  keepInRam: z.boolean().optional(),
  /** Equal pages of the guest's memory become one in the background (METHOD.md § 138). */
  shareMemory: z.boolean().optional(),
  /** How many pages a second are looked at for it; undefined: 5000. */
  sharePace: z.int('a whole number of pages is wanted').min(1, 'at least 1 page a second is looked at').max(1_000_000).optional(),
  /** Device state and memory in checkpoint files are encrypted under a passphrase, which is asked for at each start and is kept nowhere. */
  encrypted: z.boolean().optional(),
  /** The folder or checkpoint volume in which checkpoint files are kept, in NAME.checkpoints; undefined: in the bundle. It is chosen before the first one. */
  checkpointStore: z.string().min(1).optional(),
});
export type VmConfig = z.infer<typeof vmConfig>;

/** A CD-ROM drive. */
export const cdromDrive = z.object({
  /** Its name: `disk0`… by its place among the VM's disks. */
  disk: z.string(),
  /** The image that lies in it, or in its open tray; '': none. */
  path: z.string(),
  /** The guest uses the disc, and nobody may take it out. */
  isLocked: z.boolean(),
  /** The guest has put the disc out. */
  isOpen: z.boolean(),
});
export type CdromDrive = z.infer<typeof cdromDrive>;

/** As they are while the VM is off. */
export const cdromDrives = ({ disks }: Pick<VmConfig, 'disks'>): CdromDrive[] =>
  disks.flatMap((disk, index) => (isDrive(disk) ? [{ disk: `disk${index}`, path: disk.path, isLocked: false, isOpen: false }] : []));

/** `no-answer`: the process that has it open does not react. */
export const vmState = z.enum(['off', 'starting', 'running', 'paused', 'reverting', 'crashed', 'no-answer']);
export type VmState = z.infer<typeof vmState>;

export const vmSummary = z.object({
  name: vmName,
  state: vmState,
  /** Why it is crashed, paused by the host (disk full…), or why nothing is known of it, in words for the user. */
  reason: z.string().optional(),
  /** Of a crashed one whose process was killed, or whose computer failed, while it was on: the process, and when it was alive for certain last (ISO 8601, UTC). */
  killed: z.object({ pid: z.number(), since: z.string(), lastSeenAt: z.string() }).optional(),
  memoryMiB: z.number(),
  /** Checkpoint that the machine's present state descends from ("you are here"), if any. */
  current: checkpointId.optional(),
  /** Another process owns it: it can be looked at, and is commanded through that process. */
  ownedElsewhere: z.boolean(),
  /** Guest instructions per host second over the last second, in millions. */
  mips: z.number().optional(),
  /** 0-1 share of a host core over the last second. */
  load: z.number().optional(),
  /** What a guest with a balloon has given back. */
  balloonedMiB: z.number().optional(),
  /** The memory that a guest with a balloon is asked to make do with. */
  balloonMiB: z.number().optional(),
  drives: z.array(cdromDrive).optional(),
  /** What sharing equal pages saves. */
  savedMiB: z.number().optional(),
});
export type VmSummary = z.infer<typeof vmSummary>;
export const vmDetail = vmSummary.extend({
  config: vmConfig,
  bundlePath: z.string(),
  checkpoints: z.number(),
  /** Of each disk that checkpoints hold: how many files the guest's reads may go through, and how many they are to be at most. */
  chains: z.array(z.object({ disk: z.string(), files: z.number(), wanted: z.number() })).optional(),
});
export type VmDetail = z.infer<typeof vmDetail>;

/** What has a checkpoint taken (METHOD.md § 80). What a file of a newer Cairn says besides is taken for the user's: no policy touches it. */
export const checkpointTrigger = z.enum(['user', 'period', 'on-battery', 'battery-low', 'suspend', 'shutdown', 'reset', 'power-off']);
export type CheckpointTrigger = z.infer<typeof checkpointTrigger>;
export const layerId = z.string().regex(/^[0-9a-f]{32}$/, 'a disk layer has an id of 32 hexadecimal digits');

/** What a checkpoint's file says of it. */
export const checkpointFacts = z.object({
  id: checkpointId,
  title: z.string(),
  parent: checkpointId.nullable(),
  /** ISO 8601, UTC. */
  takenAt: z.string(),
  /** Steps 804 → 814 as the engine measured them. */
  pauseMs: z.number(),
  /** Steps 800 → 836. */
  totalMs: z.number(),
  bytesWritten: z.number(),
  pages: z.object({ stored: z.number(), zero: z.number(), pointed: z.number(), absent: z.number() }),
  /** False for a checkpoint of a VM that was off. */
  running: z.boolean(),
  /** The layer that each of its disks stood on (step 832). */
  disks: z.array(z.object({ disk: z.string(), layer: layerId, sizeBytes: z.number() })),
  trigger: checkpointTrigger.catch('user'),
  mode: checkpointMode.optional().catch(undefined),
  /** How long the VM had been powered on in its life. */
  poweredOnMs: z.number(),
});
export type CheckpointFacts = z.infer<typeof checkpointFacts>;

/** What only the user can say of a checkpoint; its title too, once it is renamed. */
export const checkpointMarks = z.object({
  /** Kept: no policy eliminates it, and the user only with force. */
  pinned: z.boolean(),
  note: z.string().max(4000, 'a note has at most 4000 characters'),
});

export const checkpoint = checkpointFacts.extend(checkpointMarks.shape);
export type Checkpoint = z.infer<typeof checkpoint>;

/** Of the automatic checkpoints up to `forSeconds` old, one in `everySeconds` is kept; 0: all. Both in powered-on time. */
export const retentionTier = z.object({
  forSeconds: z.int().min(1, 'a tier reaches at least a second back'),
  everySeconds: z.int().min(0),
});
export type RetentionTier = z.infer<typeof retentionTier>;

/** When checkpoints are taken without being asked for (METHOD.md § 80), and how long those are kept. What the user took or keeps is never touched. */
export const policy = z.object({
  /** Powered-on seconds between two periodic checkpoints; null: none are taken. */
  everySeconds: z.int().min(1, 'periodic checkpoints are at least a second apart').nullable(),
  /** From the nearest on; older than the last: not kept. Empty: everything is kept. */
  keep: z
    .array(retentionTier)
    .max(16, 'there can be at most 16 tiers')
    .refine(
      tiers => tiers.every((tier, n) => n === 0 || tier.forSeconds > tiers[n - 1]!.forSeconds),
      'each tier must reach further back than the one before it',
    ),
  onBattery: z.boolean(),
  batteryLowPercent: z.int().min(1).max(99).nullable(),
  /** Before the host sleeps. */
  suspend: z.boolean(),
  /** Before the host shuts down or ends Cairn. */
  shutdown: z.boolean(),
  /** Before the guest resets the machine. */
  reset: z.boolean(),
  /** When the guest has powered the machine off. */
  powerOff: z.boolean(),
  /** With less room than this on the bundle's disk, periodic checkpoints wait and automatic ones are thinned; null: nothing is looked at. */
  diskLowMiB: z.int().min(0).nullable(),
});
export type Policy = z.infer<typeof policy>;
/** Of a VM whose user has set none: nothing is taken unasked. */
export const NO_POLICY: Policy = {
  everySeconds: null,
  keep: [
    { forSeconds: 3600, everySeconds: 0 },
    { forSeconds: 86_400, everySeconds: 3600 },
    { forSeconds: 30 * 86_400, everySeconds: 86_400 },
  ],
  onBattery: false,
  batteryLowPercent: null,
  suspend: false,
  shutdown: false,
  reset: false,
  powerOff: false,
  diskLowMiB: 1024,
};

export const repairReport = z.object({
  checkpoints: z.number(),
  /** Files that nothing needed. */
  removed: z.array(z.string()),
  notices: z.array(z.string()),
});
export type RepairReport = z.infer<typeof repairReport>;

/** Something that happened to a VM's checkpoints or disks. */
export const historyEntry = z.object({
  /** ISO 8601, UTC. */
  at: z.string(),
  event: z.enum(['taken', 'reverted', 'eliminated', 'committed', 'converted', 'interrupted', 'repaired']),
  checkpoint: checkpointId.nullable(),
  /** Figures and names, by event (docs/formats/bundle.md). */
  details: z.record(z.string(), z.unknown()),
});
export type HistoryEntry = z.infer<typeof historyEntry>;

/** What was under way when a process ended, or is now. */
export const intent = z.object({
  operation: z.enum(['take', 'revert', 'eliminate']),
  details: z.record(z.string(), z.unknown()),
  startedAt: z.string(),
});

/** What eliminating checkpoints does, or would do. */
export const elimination = z.object({
  /** All that go, oldest first. */
  ids: z.array(checkpointId),
  /** Room on the host's disk that is free afterwards; of disk layers that are merged, or removed while the VM runs on, what comes later is not in it. */
  freedBytes: z.number(),
  /** What stays of them, because other checkpoints or linked clones need it. */
  keptBytes: z.number(),
  /** VMs that are linked clones of one of these: what they need stays. */
  clones: z.array(vmName),
});
export type Elimination = z.infer<typeof elimination>;

export const checkpointDetail = z.object({
  checkpoint,
  children: z.array(checkpointId),
  /** Of its memory file: what only it needs, and what later checkpoints point to. */
  memory: z.object({ ownBytes: z.number(), sharedBytes: z.number() }),
  /** The disk layers that it stands on, from its own down to the base. */
  disks: z.array(
    z.object({
      disk: z.string(),
      /** `shared`: how many other checkpoints are read through it; `sharedWith`: the first hundred of them. */
      layers: z.array(
        z.object({ id: layerId, file: z.string(), bytes: z.number(), shared: z.number(), sharedWith: z.array(checkpointId) }),
      ),
    }),
  ),
  /** What eliminating it, alone or with its children, would do. */
  alone: elimination,
  withChildren: elimination,
});
export type CheckpointDetail = z.infer<typeof checkpointDetail>;

/** What a checkpoint costs the guest while it is written (METHOD.md § 110, 111). */
export const checkpointFigures = z.object({
  /** COW faults since the VM began to run here, and per second of guest execution. */
  cowFaults: z.number(),
  faultsPerSecond: z.number(),
  /** What copied pages take, and may take. */
  copiedBytes: z.number(),
  limitBytes: z.number(),
  /** The share of the time, 0 to 1, that the guest rests for it; and that the checkpoint software works. */
  restShare: z.number(),
  workShare: z.number(),
});
export type CheckpointFigures = z.infer<typeof checkpointFigures>;

/** Progress of a checkpoint being taken, as a METHOD.md step number and the share of pages looked at. */
export const checkpointProgress = z.object({ step: z.number(), share: z.number(), figures: checkpointFigures.optional() });
export type CheckpointProgress = z.infer<typeof checkpointProgress>;

/** Of encrypted checkpoints. It crosses the wire between processes of one user, and is never stored or logged. */
export const passphrase = z.string().min(1, 'a passphrase is not empty').max(1024, 'a passphrase has at most 1024 characters');

const named = z.object({ name: vmName });
const request = <P extends z.ZodType, R extends z.ZodType>(params: P, result: R) => ({ params, result });

const MOST_IDS = 10_000;
const checkpointIds = z
  .array(checkpointId)
  .min(1, 'name a checkpoint')
  .max(MOST_IDS, `at most ${MOST_IDS} checkpoints are deleted at once: name fewer, or one with those that descend from it`);

export const requests = {
  'vm.list': request(z.object({}), z.array(vmSummary)),
  'vm.show': request(named, vmDetail),
  'vm.create': request(z.object({ name: vmName, config: vmConfig }), vmDetail),
  'vm.configure': request(z.object({ name: vmName, config: vmConfig }), vmDetail),
  'vm.delete': request(named, z.null()),
  /** It must be off. Linked clones find the VM that they lie on by itself. */
  'vm.rename': request(z.object({ name: vmName, as: vmName }), vmDetail),
  /** `passphrase`: of a VM whose checkpoints are encrypted, or that goes on from one that is. */
  'vm.start': request(z.object({ name: vmName, passphrase: passphrase.optional() }), vmSummary),
  /** `how`: press the ACPI power button, or pull the plug. */
  'vm.stop': request(z.object({ name: vmName, how: z.enum(['button', 'plug']) }), vmSummary),
  'vm.reset': request(named, vmSummary),
  'vm.pause': request(named, vmSummary),
  'vm.resume': request(named, vmSummary),
  /** The guest is asked to make do with `memoryMiB` of its memory; it gives the rest back bit by bit (`balloonedMiB`), or takes it again. */
  'vm.balloon': request(z.object({ name: vmName, memoryMiB: z.int().min(0) }), vmSummary),
  /** Another disc, or with the path '' none, in a CD-ROM drive, also while the VM runs. `disk` may be left out of a VM with one drive. `force`: also when the guest has locked the tray. */
  'vm.media': request(
    z.object({
      name: vmName,
      disk: z.string().optional(),
      path: z.string(),
      /** As a disk's. */
      format: imageFormat.optional(),
      allow: allowedPaths.optional(),
      force: z.boolean().default(false),
    }),
    vmSummary,
  ),
  /** The catalogue anew from the files, and what nothing needs goes; the VM must be off. */
  'vm.repair': request(named, repairReport),
  /** Another VM from a checkpoint of this one; it is left off (start it, and it goes on from there). */
  'vm.clone': request(z.object({ name: vmName, checkpoint: checkpointId, as: vmName, full: z.boolean().default(false) }), vmDetail),
  'policy.show': request(named, policy),
  /** At once, also of a VM that runs. */
  'policy.set': request(z.object({ name: vmName, policy }), policy),
  'checkpoint.list': request(named, z.array(checkpoint)),
  /** `mode`: of the disks' files, from this checkpoint on. */
  'checkpoint.take': request(z.object({ name: vmName, title, mode: checkpointMode.optional() }), checkpoint),
  /** `passphrase`: of an encrypted one, where the process that runs the VM does not have it already. */
  'checkpoint.revert': request(z.object({ name: vmName, id: checkpointId, passphrase: passphrase.optional() }), vmSummary),
  'checkpoint.rename': request(z.object({ name: vmName, id: checkpointId, title }), checkpoint),
  /** A note, or whether it is kept. */
  'checkpoint.mark': request(z.object({ name: vmName, id: checkpointId, ...checkpointMarks.partial().shape }), checkpoint),
  'checkpoint.show': request(z.object({ name: vmName, id: checkpointId }), checkpointDetail),
  /** Eliminates them, with all that descend from them if so wished; what stays hangs on their parents. Kept ones only with force. */
  'checkpoint.delete': request(z.object({ name: vmName, ids: checkpointIds, children: z.boolean(), force: z.boolean() }), elimination),
  /** Newest first. */
  'checkpoint.history': request(
    z.object({ name: vmName, limit: z.int().min(1).max(10_000) }),
    z.object({ underWay: z.array(intent), history: z.array(historyEntry) }),
  ),
  /** What the app can offer at first start. */
  'app.info': request(
    z.object({}),
    z.object({ version: z.string(), demoVm: vmName.optional(), demoMissing: z.string().optional(), libraryPath: z.string() }),
  ),
  /** Starts (or stops) the flow of serial output and screen frames of one VM to this client; answers the handle used in binary frames. */
  'console.attach': request(named, z.object({ handle: z.int().min(0).max(65535) })),
  'console.detach': request(z.object({ handle: z.int() }), z.null()),
} as const;
export type Requests = typeof requests;
export type RequestName = keyof Requests;
export type Params<N extends RequestName> = z.infer<Requests[N]['params']>;
export type Result<N extends RequestName> = z.infer<Requests[N]['result']>;

export const events = {
  'vm.changed': vmSummary,
  'vm.removed': named,
  'checkpoints.changed': named,
  'checkpoint.progress': checkpointProgress.extend({ name: vmName }),
  /** What is done to a disk's files beside the guest: a step of the collector (docs/formats/disk-graph.md); null: nothing more is done. */
  'disk.progress': z.object({ name: vmName, disk: z.string(), step: z.string().nullable(), doneBytes: z.number(), totalBytes: z.number() }),
  /** Something the user should read: one sentence. */
  notice: z.object({ level: z.enum(['info', 'warning', 'error']), text: z.string(), name: vmName.optional() }),
} as const;
export type Events = { [K in keyof typeof events]: z.infer<(typeof events)[K]> };
export type EventName = keyof Events;

/** What a surface holds; host-service.ts implements it, remote clients speak it over a socket. */
export interface HostClient {
  request<N extends RequestName>(name: N, params: Params<N>): Promise<Result<N>>;
  on<E extends EventName>(event: E, listener: (payload: Events[E]) => void): () => void;
  /** Binary console frames from the host (frames.ts). A promise holds the VM's serial output back until it settles: nothing is lost. */
  onFrame(listener: (frame: Uint8Array) => void | Promise<void>): () => void;
  /** Binary console frames to the host: serial input, scan codes, screen credits. A promise: the VM's input queue is full, send no more before it settles. */
  sendFrame(frame: Uint8Array): void | Promise<void>;
  close(): void;
}

/** An error as it crosses the wire. */
export const wireError = z.object({ code: z.string(), message: z.string() });
