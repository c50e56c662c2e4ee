/**
 * What every surface talks to: the library's VMs, whoever owns them. A VM that this process owns is commanded here; one that another Cairn owns
 * through that one's socket; one that nobody owns is opened for as long as the command takes, or as it runs.
 */
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, IpcError } from '#engine/errors/errors.ts';
import type { WorldEnd } from '#worker/protocol.ts';
import { askedBy, askedByNobody } from './asker.ts';
import { readBootFiles } from './boot-files.ts';
import { Bundle, inUse } from './bundle.ts';
import { Catalog } from './catalog.ts';
import { copyCheckpointFile, neededFiles, readCheckpointInfo } from './checkpoint-files.ts';
import { cloneDisks } from './clone-disks.ts';
import { ConsoleHub } from './console-hub.ts';
import { chainsIn } from './disk-graph.ts';
import { finishIntents } from './interrupted.ts';
import { HostClientHere } from './host-client.ts';
import {
  cdromDrives,
  type EventName,
  type Events,
  type HostClient,
  type Params,
  type RequestName,
  type Result,
  type VmDetail,
  type VmSummary,
} from './ipc/contract.ts';
import { Library, linkedPlace } from './library.ts';
import { linkedStates } from './linked-clones.ts';
import { LibraryWatch } from './library-watch.ts';
import { OwnerSocket } from './owner-socket.ts';
import { readOwner } from './owner.ts';
import { RemoteConsoles } from './remote-consoles.ts';
import { PolicyRunner } from './policies/policy-runner.ts';
import type { PowerState } from './policies/power.ts';
import { readPowerSupply } from './policies/power-supply.ts';
import { whyNoAnswer, type RemoteHost } from './remote-host.ts';
import { RemoteOwners } from './remote-owners.ts';
import { lostVm, readLostRun } from './run-record.ts';
import { NEW_STATE, readVmState, writeVmState } from './vm-state.ts';
import { Vm, type StartOptions, type VmListener } from './vm.ts';
import { WorldManager } from './world-manager.ts';

export interface HostServiceOptions {
  readonly libraryPath: string;
  readonly version: string;
  readonly worlds?: WorldManager;
  /** The host's power; what Linux says when not given. */
  readonly readPower?: () => PowerState | undefined;
  /** Of encrypted checkpoints, where none is given with a command; asked for only then. */
  readonly passphrase?: () => string | undefined;
  /** The demo VM's name, or why there is none. */
  readonly demo?: { readonly vm?: string; readonly missing?: string };
}

type Handler<N extends RequestName> = (params: Params<N>, client: HostClientHere) => Promise<Result<N>> | Result<N>;
type Handlers = { [N in RequestName]: Handler<N> };

/** How often a bundle that changes hands while it is looked at is looked at again. */
const OWNER_TRIES = 20;
const PEEK_PATIENCE_MS = 50;
/** How long a list waits for a VM that another process has. */
const LIST_PATIENCE_MS = 8000;

export class HostService {
  readonly library: Library;
  private readonly options: HostServiceOptions;
  private readonly worlds: WorldManager;
  private readonly clients = new Set<HostClientHere>();
  private readonly vms = new Map<string, Promise<Vm>>();
  /** Commands under way on each VM that is open here. */
  private readonly users = new Map<string, number>();
  private readonly hubs = new Map<string, ConsoleHub>();
  private readonly policies = new WeakMap<Vm, PolicyRunner>();
  private readonly endWaiters = new Map<string, ((end: WorldEnd) => void)[]>();
  private readonly remotes: RemoteOwners;
  private readonly remoteConsoles: RemoteConsoles;
  private readonly watch: LibraryWatch;
  /** VMs whose owner did not react when they were looked at last; true while they are looked at again. */
  private readonly unsettled = new Map<string, boolean>();
  private socket: Promise<OwnerSocket> | undefined;
  private nextHandle = 1;

  constructor(options: HostServiceOptions) {
    this.options = options;
    this.library = new Library(options.libraryPath);
    this.worlds = options.worlds ?? new WorldManager();
    this.remoteConsoles = new RemoteConsoles(name => this.hub(name));
    this.remotes = new RemoteOwners({
      event: (name, payload, socket) => this.forward(name, payload, socket),
      frame: (frame, remote) => this.remoteConsoles.frame(frame, remote),
      gone: (remote, { pid }) => {
        this.remoteConsoles.gone(remote);
        this.watch.lookAgain(name => !this.vms.has(name) && readOwner(this.library.bundlePath(name))?.pid === pid);
      },
    });
    this.watch = new LibraryWatch(this.library, {
      changed: name => {
        if (!this.vms.has(name)) void this.announce(name).then(() => this.bridge(name));
      },
      removed: name => this.emit('vm.removed', { name }),
      unsettled: () => [...this.unsettled].filter(([, isLookedAt]) => !isLookedAt).map(([name]) => name),
    });
  }

  /** One surface's connection. */
  connect(): HostClient {
    const client = new HostClientHere({
      request: (name, params, from) => this.request(name, params, from),
      hub: name => this.hub(name),
      subscribed: () => this.watch.start(),
      closed: from => this.clients.delete(from),
    });
    this.clients.add(client);
    return client;
  }

  /** `vm.start` with what only `cairn run` and tests ask for. */
  async start(name: string, options: StartOptions = {}): Promise<VmSummary> {
    const { vm, done } = await this.open(name);
    try {
      vm.bundle.announce((await this.listen()).path);
      await vm.start(options);
      return vm.summary();
    } finally {
      done();
    }
  }

  /** Settles when the VM, running here, ends for good; a revert is no end. Ask before starting it. */
  whenEnded(name: string): Promise<WorldEnd> {
    return new Promise(resolve => {
      this.endWaiters.set(name, [...(this.endWaiters.get(name) ?? []), resolve]);
    });
  }

  /** The host is about to sleep or to shut down. Settles when what the policies want kept of the VMs that run here is. */
  async hostEvent(event: 'suspend' | 'shutdown'): Promise<void> {
    const open = await Promise.all([...this.vms.values()].map(vm => vm.catch(() => undefined)));
    await Promise.all(open.filter(vm => vm !== undefined && vm.busy).map(vm => this.policies.get(vm!)?.happened(event)));
  }

  /** Ends every VM that runs here and lets go of everything. */
  async close(): Promise<void> {
    this.watch.stop();
    for (const vm of this.vms.values()) await (await vm.catch(() => undefined))?.close();
    this.vms.clear();
    await this.worlds.close();
    await this.remotes.close();
    (await this.socket?.catch(() => undefined))?.close();
    for (const client of this.clients) client.close();
  }

  private request<N extends RequestName>(name: N, params: Params<N>, client: HostClientHere): Promise<Result<N>> {
    return Promise.resolve().then(() => askedBy(client, () => (this.handlers[name] as Handler<N>)(params, client)));
  }

  private readonly handlers: Handlers = {
    'vm.list': () => Promise.all(this.library.names().map(name => this.summary(name))),
    'vm.show': ({ name }) => this.detail(name),
    'vm.create': async ({ name, config }) => {
      await readBootFiles(config); // refused before anything is made
      Bundle.create(this.library.bundlePath(name), config);
      await this.announce(name);
      return this.detail(name);
    },
    'vm.configure': ({ name, config }) =>
      this.command('vm.configure', { name, config }, async vm => {
        const { kernel, initrd } = vm.bundle.config;
        if (config.kernel !== kernel || config.initrd !== initrd) await readBootFiles(config);
        vm.configure(config);
        return vm.detail();
      }),
    'vm.delete': ({ name }) => this.delete(name),
    'vm.rename': ({ name, as }) => this.rename(name, as),
    'vm.start': ({ name, passphrase }) =>
      this.command('vm.start', { name, passphrase }, async vm => {
        vm.bundle.announce((await this.listen()).path);
        await vm.start({ passphrase });
        return vm.summary();
      }),
    'vm.stop': ({ name, how }) =>
      this.command('vm.stop', { name, how }, async vm => {
        await vm.stop(how);
        return vm.summary();
      }),
    'vm.reset': ({ name }) =>
      this.command('vm.reset', { name }, vm => {
        vm.reset();
        return vm.summary();
      }),
    'vm.pause': ({ name }) => this.setPaused('vm.pause', name, true),
    'vm.resume': ({ name }) => this.setPaused('vm.resume', name, false),
    'vm.repair': ({ name }) => this.command('vm.repair', { name }, vm => vm.repair()),
    'vm.balloon': params =>
      this.command('vm.balloon', params, vm => {
        vm.balloon(params.memoryMiB);
        return vm.summary();
      }),
    'vm.media': params =>
      this.command('vm.media', params, async vm => {
        await vm.changeMedium(params);
        return vm.summary();
      }),
    'vm.clone': params => this.clone(params),
    'checkpoint.list': ({ name }) => this.command('checkpoint.list', { name }, vm => vm.checkpoints()),
    'checkpoint.take': params => this.command('checkpoint.take', params, vm => vm.take(params.title, 'user', params.mode)),
    'checkpoint.revert': ({ name, id, passphrase }) =>
      this.command('checkpoint.revert', { name, id, passphrase }, async vm => {
        await vm.revert(id, passphrase);
        return vm.summary();
      }),
    'checkpoint.rename': ({ name, id, title }) => this.command('checkpoint.rename', { name, id, title }, vm => vm.mark(id, { title })),
    'checkpoint.mark': ({ name, id, note, pinned }) =>
      this.command('checkpoint.mark', { name, id, note, pinned }, vm =>
        vm.mark(id, { ...(note === undefined ? {} : { note }), ...(pinned === undefined ? {} : { pinned }) }),
      ),
    'checkpoint.show': ({ name, id }) => this.command('checkpoint.show', { name, id }, vm => vm.show(id)),
    'checkpoint.delete': params => this.command('checkpoint.delete', params, vm => vm.eliminate(params.ids, params)),
    'checkpoint.history': params =>
      this.command('checkpoint.history', params, ({ bundle: { catalog } }) => ({
        underWay: catalog.intents(),
        history: catalog.history(params.limit),
      })),
    'policy.show': ({ name }) => Bundle.readPolicy(this.library.bundlePath(name)),
    'policy.set': ({ name, policy }) =>
      this.command('policy.set', { name, policy }, vm => {
        vm.bundle.setPolicy(policy);
        this.policies.get(vm)?.change(policy);
        return policy;
      }),
    'app.info': () => ({
      version: this.options.version,
      libraryPath: this.library.path,
      ...(this.options.demo?.vm === undefined ? {} : { demoVm: this.options.demo.vm }),
      ...(this.options.demo?.missing === undefined ? {} : { demoMissing: this.options.demo.missing }),
    }),
    'console.attach': async ({ name }, client) => {
      Bundle.readConfig(this.library.bundlePath(name)); // that it is there
      const handle = this.takeHandle();
      client.attach(handle, name);
      await this.bridge(name);
      return { handle };
    },
    'console.detach': ({ handle }, client) => {
      client.detach(handle);
      return null;
    },
  };

  private setPaused(request: 'vm.pause' | 'vm.resume', name: string, paused: boolean): Promise<VmSummary> {
    return this.command(request, { name }, async vm => {
      await vm.setPaused(paused);
      return vm.summary();
    });
  }

  /** Does it here when the VM is, or can be, open here; else asks the process that has it. */
  private async command<N extends RequestName>(
    request: N,
    params: Params<N> & { name: string },
    here: (vm: Vm) => Promise<Result<N>> | Result<N>,
  ): Promise<Result<N>> {
    const found = await this.find(params.name);
    if ('remote' in found) return elsewhere(await found.remote.request(request, params));
    try {
      return await here(found.vm);
    } finally {
      found.done();
    }
  }

  private async open(name: string): Promise<{ vm: Vm; done: () => void }> {
    const found = await this.find(name);
    if ('vm' in found) return found;
    throw inUse(this.library.bundlePath(name), readOwner(this.library.bundlePath(name))?.pid);
  }

  private async find(name: string): Promise<{ vm: Vm; done: () => void } | { remote: RemoteHost }> {
    const path = this.library.bundlePath(name);
    for (let tries = 0; tries < OWNER_TRIES; tries++) {
      const vm = await this.openHere(name, path);
      if (vm) return { vm, done: this.use(name, vm) };
      const remote = await this.remotes.ownerOf(path);
      if (remote) return { remote };
      await new Promise(resolve => setTimeout(resolve, PEEK_PATIENCE_MS));
    }
    throw inUse(path, readOwner(path)?.pid);
  }

  private async openHere(name: string, path: string): Promise<Vm | undefined> {
    const known = this.vms.get(name);
    if (known) return known.catch(() => undefined);
    const opening = Bundle.open(path, readCheckpointInfo);
    const vm = opening.then(bundle => {
      if (bundle === undefined) throw new IpcError('OWNED_ELSEWHERE', `${name} is open in another Cairn.`);
      finishIntents(bundle);
      return askedByNobody(() => this.makeVm(bundle));
    });
    this.vms.set(name, vm);
    vm.catch(() => this.vms.delete(name));
    const bundle = await opening; // its own errors go to the user
    if (bundle === undefined) return undefined;
    for (const text of bundle.notices) this.emit('notice', { level: 'warning', text, name });
    return vm;
  }

  private makeVm(bundle: Bundle): Vm {
    const name = bundle.name;
    const listener: VmListener = {
      changed: () => {
        policies.follow();
        this.emit('vm.changed', vm.summary());
      },
      checkpointsChanged: () => this.emit('checkpoints.changed', { name }),
      progress: progress => this.emit('checkpoint.progress', { name, ...progress }),
      resetting: () => policies.happened('reset'),
      diskProgress: progress => this.emit('disk.progress', { name, ...progress }),
      notice: text => this.emit('notice', { level: 'warning', name, text }),
      ended: end => void this.vmEnded(vm, end, policies),
    };
    const vm: Vm = new Vm(bundle, this.worlds, this.hub(name), listener, this.options.passphrase);
    const policies = new PolicyRunner(vm, {
      readPower: this.options.readPower ?? readPowerSupply,
      notice: (level, text) => this.emit('notice', { level, text, name }),
    });
    this.policies.set(vm, policies);
    return vm;
  }

  private async vmEnded(vm: Vm, end: WorldEnd, policies: PolicyRunner): Promise<void> {
    const { name } = vm.bundle;
    const done = this.use(name, vm);
    if (end.kind === 'crashed') this.emit('notice', { level: 'error', name, text: `${name} crashed: ${end.reason}` });
    if (end.kind === 'power-off') await policies.happened('power-off');
    for (const resolve of this.endWaiters.get(name) ?? []) resolve(end);
    this.endWaiters.delete(name);
    done(); // closes it when no command is under way
  }

  /** Counts a command; the last one to end lets go of a VM that does not run. A crashed one is kept, so that it can be seen why. */
  private use(name: string, vm: Vm): () => void {
    this.users.set(name, (this.users.get(name) ?? 0) + 1);
    return () => {
      const left = (this.users.get(name) ?? 1) - 1;
      this.users.set(name, left);
      if (left > 0 || !this.vms.has(name) || vm.busy || vm.hasCrashed) return;
      this.users.delete(name);
      this.vms.delete(name);
      void vm.close();
    };
  }

  private async delete(name: string): Promise<null> {
    const { vm, done } = await this.open(name);
    try {
      if (vm.busy) throw new ConfigError('VM_RUNNING', `${name} is running: stop it before it is deleted.`);
      const clones = [...new Set(linkedStates(vm.bundle.path).map(linked => linked.vm))];
      if (clones.length > 0)
        throw new ConfigError(
          'LINKED_CLONES',
          `the disks of ${clones.join(', ')} lie on those of ${name}: delete ${clones.length === 1 ? 'it' : 'them'} first. Nothing was deleted.`,
        );
      this.vms.delete(name);
      const place = linkedPlace(vm.bundle.path);
      if (place !== undefined)
        this.emit('notice', { level: 'warning', name, text: `${name} is a link to ${place}: that folder is deleted with it.` });
      const left = vm.bundle.delete();
      if (left !== undefined) this.emit('notice', { level: 'warning', name, text: left });
    } finally {
      done();
    }
    this.emit('vm.removed', { name });
    return null;
  }

  private async rename(name: string, as: string): Promise<VmDetail> {
    const { vm, done } = await this.open(name);
    try {
      if (vm.busy) throw new ConfigError('VM_RUNNING', `${name} is running: stop it before it is renamed.`);
      this.vms.delete(name);
      vm.bundle.rename(this.library.bundlePath(as));
    } finally {
      done();
    }
    this.emit('vm.removed', { name });
    await this.announce(as);
    return this.detail(as);
  }

  /** Who owns the first VM makes the second, for its disks' files must stay as they are meanwhile. */
  private async clone(params: Params<'vm.clone'>): Promise<VmDetail> {
    await this.command('vm.clone', params, vm => vm.lend(params.checkpoint, () => this.makeClone(params)));
    return this.detail(params.as);
  }

  /** Checkpoint files never change, so they are copied; where the store can, copies share their blocks. Its disks lie on the checkpoint's, and so it appears as a VM that has gone back to it. */
  private async makeClone({ name, checkpoint, as, full }: Params<'vm.clone'>): Promise<VmDetail> {
    const from = this.library.bundlePath(name);
    const config = Bundle.readConfig(from);
    const needed = await neededFiles(join(from, 'checkpoints'), checkpoint);
    await Bundle.createFilled(this.library.bundlePath(as), config, async building => {
      // What it only has pages of is no checkpoint of the new VM.
      for (const [i, file] of needed.entries())
        await copyCheckpointFile(
          file,
          join(building, 'checkpoints', i === 0 ? basename(file) : basename(file).replace(/\.ckpt$/, '.pages')),
        );
      const { disks, running, poweredOnMs } = await readCheckpointInfo(needed[0]!);
      await cloneDisks(from, building, disks, { mode: config.checkpointMode, full });
      writeVmState(building, { ...NEW_STATE, poweredOnMs, current: checkpoint, ...(running ? { resume: checkpoint } : {}) });
    });
    await this.command('checkpoint.list', { name: as }, vm => vm.checkpoints()).catch(() => {}); // its catalogue is made, now or later
    await this.announce(as);
    return this.detail(as);
  }

  private async summary(name: string): Promise<VmSummary> {
    const path = this.library.bundlePath(name);
    const here = await this.vms.get(name)?.catch(() => undefined);
    if (here) return here.summary();
    const there = await this.askOwner(name);
    if (there) {
      const { config: _config, bundlePath: _path, checkpoints: _count, ...summary } = there;
      return summary;
    }
    try {
      const { current, last } = Catalog.peek(join(path, 'catalog.db')) ?? {};
      const config = Bundle.readConfig(path);
      const drives = cdromDrives(config);
      const run = readLostRun(path);
      const isOn = run !== undefined && readOwner(path)?.pid === run.pid && Catalog.isHeld(join(path, 'catalog.db'));
      const lost = isOn ? outOfReach(run.pid) : run && lostVm(run, current ?? currentOf(path), last);
      return {
        ...{ name, state: 'off', memoryMiB: config.memoryMiB, ownedElsewhere: false },
        ...lost,
        ...(current ? { current } : {}),
        ...(drives.length > 0 ? { drives } : {}),
      };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return { name, state: 'off', memoryMiB: 0, ownedElsewhere: false, reason: error.message };
    }
  }

  private async detail(name: string): Promise<VmDetail> {
    const path = this.library.bundlePath(name);
    const here = await this.vms.get(name)?.catch(() => undefined);
    if (here) return here.detail();
    const config = Bundle.readConfig(path);
    const there = await this.askOwner(name);
    if (there) return there;
    return {
      ...(await this.summary(name)),
      config,
      bundlePath: path,
      checkpoints: Catalog.peek(join(path, 'catalog.db'))?.checkpoints ?? 0,
      chains: chainsIn(path, config.chainDepth),
    };
  }

  /** What the process that has the VM open and listens says of it; undefined when there is none. One that does not answer, or not soon, holds nobody up. */
  private async askOwner(name: string): Promise<VmDetail | undefined> {
    const path = this.library.bundlePath(name);
    let reason: string;
    if (this.unsettled.has(name)) this.unsettled.set(name, true);
    try {
      const remote = await this.remotes.ownerOf(path);
      const late = new AbortController();
      const said = await Promise.race([
        remote?.request('vm.show', { name }),
        sleep(LIST_PATIENCE_MS, 'busy' as const, { signal: late.signal, ref: true }),
      ]).finally(() => late.abort());
      if (said !== 'busy') {
        this.unsettled.delete(name);
        return said && elsewhere(said);
      }
      reason = `process ${readOwner(path)?.pid ?? 'of another Cairn'}, which has it open, is busy and answers later.`;
    } catch (error) {
      if (!(error instanceof IpcError) || error.code !== 'NO_ANSWER') {
        this.unsettled.delete(name);
        throw error;
      }
      const pid = readOwner(path)?.pid;
      reason = pid === undefined ? error.message : whyNoAnswer(pid);
    }
    this.unsettled.set(name, false);
    const config = Bundle.readConfig(path);
    return {
      name,
      state: 'no-answer',
      reason,
      memoryMiB: config.memoryMiB,
      ownedElsewhere: true,
      config,
      bundlePath: path,
      checkpoints: 0,
    };
  }

  /** Connects the console of a VM that another process runs, when somebody here looks at it. */
  private async bridge(name: string): Promise<void> {
    const isWatched = [...this.clients].some(client => client.watches(name));
    if (!isWatched || this.vms.has(name) || this.remoteConsoles.has(name)) return;
    const remote = await this.remotes.ownerOf(this.library.bundlePath(name)).catch(() => undefined); // the list tells
    if (remote) await this.remoteConsoles.connect(name, remote);
  }

  private async announce(name: string): Promise<void> {
    try {
      this.emit('vm.changed', await this.summary(name));
      this.emit('checkpoints.changed', { name });
    } catch {
      // It changed hands or went away meanwhile: the next look at the library tells.
    }
  }

  private forward<E extends EventName>(event: E, payload: Events[E], socket: string): void {
    const name = (payload as { name?: string }).name;
    if (name === undefined || this.vms.has(name) || readOwner(this.library.bundlePath(name))?.socket !== socket) return;
    this.emit(event, event === 'vm.changed' ? { ...payload, ownedElsewhere: true } : payload);
  }

  private emit<E extends EventName>(event: E, payload: Events[E]): void {
    for (const client of this.clients) client.emit(event, payload);
  }

  private hub(name: string): ConsoleHub {
    const hub = this.hubs.get(name) ?? new ConsoleHub();
    this.hubs.set(name, hub);
    return hub;
  }

  private listen(): Promise<OwnerSocket> {
    if (this.socket === undefined) {
      this.socket = OwnerSocket.listen(() => this.connect(), this.worlds.files.pulseEntry);
      this.socket.catch(() => (this.socket = undefined)); // the next start tries again
    }
    return this.socket;
  }

  private takeHandle(): number {
    const taken = new Set([...this.clients].flatMap(client => client.handles()));
    do this.nextHandle = (this.nextHandle + 1) & 0xffff;
    while (taken.has(this.nextHandle));
    return this.nextHandle;
  }
}

/** Another user's, for example. */
function outOfReach(pid: number): Pick<VmSummary, 'state' | 'reason' | 'ownedElsewhere'> {
  return { state: 'no-answer', ownedElsewhere: true, reason: `process ${pid} runs it, and takes no commands from here.` };
}

/** As state.json has it, where the catalogue cannot be looked at now. */
function currentOf(path: string): string | undefined {
  const state = readVmState(path);
  return state === 'damaged' ? undefined : state?.current;
}

/** An answer of another process, as seen from here. */
function elsewhere<T>(answer: T): T {
  return answer !== null && typeof answer === 'object' && 'ownedElsewhere' in answer ? { ...answer, ownedElsewhere: true } : answer;
}
