/** Turns the host's events into actions and the user's wishes into requests. Components call this and read the store. */
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { MenuCommand } from '../../main/ipc/bridge.ts';
import type { Checkpoint, CheckpointMode, HostClient, Policy, VmConfig, VmSummary } from '../../main/ipc/contract.ts';
import type { ConnectionState } from '../client.ts';
import { formatBytes, formatMs } from '../format.ts';
import { messageOf } from '../message-of.ts';
import { initialState, type Action, type AppState, type Notice, type Pending } from './app-state.ts';
import { lacksPassphrase, questionOf, type Locked, type PassphraseQuestion } from './passphrase-question.ts';
import { reduce, selectedVm } from './reduce.ts';

export class Controller {
  readonly store: StoreApi<AppState> = createStore(() => initialState);
  private readonly host: HostClient;
  private nextNotice = 1;
  /** How often details of a checkpoint were asked for, by VM: only the last answer counts. */
  private readonly detailsAsked = new Map<string, number>();
  /** VMs whose encryption was turned on since their last start: their passphrase is a new one. */
  private readonly freshlyEncrypted = new Set<string>();

  constructor(host: HostClient) {
    this.host = host;
    host.on('vm.changed', vm => this.dispatch({ type: 'vm-changed', vm }));
    host.on('vm.removed', ({ name }) => this.dispatch({ type: 'vm-removed', name }));
    host.on('checkpoints.changed', ({ name }) => void this.loadCheckpoints(name));
    host.on('checkpoint.progress', progress => this.dispatch({ type: 'progress', progress }));
    host.on('disk.progress', progress => {
      this.dispatch({ type: 'disk-progress', progress });
      if (progress.step === null) this.refreshDetail(progress.name);
    });
    host.on('notice', ({ level, text, name }) => {
      if (!this.isShown(text, name)) this.notify(level, text, name);
    });
  }

  readonly dispatch = (action: Action): void => {
    this.store.setState(state => reduce(state, action), true);
  };

  /** The connection was made or lost; after each new one everything is asked for again. */
  async connectionChanged(state: ConnectionState): Promise<void> {
    this.dispatch({ type: 'connection', state });
    if (state !== 'open') return;
    await this.quietly(async () => {
      const [info, vms] = await Promise.all([this.host.request('app.info', {}), this.host.request('vm.list', {})]);
      this.dispatch({ type: 'info', info });
      this.dispatch({ type: 'vms-listed', vms });
      await Promise.all(vms.flatMap(({ name }) => [this.loadCheckpoints(name), this.loadPolicy(name)]));
    });
  }

  select(name: string): void {
    this.dispatch({ type: 'select-vm', name });
  }

  /** False: the host could not say, and the user has been told. */
  loadDetail(name: string): Promise<boolean> {
    return this.quietly(async () => this.dispatch({ type: 'vm-detail', detail: await this.host.request('vm.show', { name }) }));
  }

  async create(name: string, config: VmConfig): Promise<void> {
    const detail = await this.host.request('vm.create', { name, config });
    this.dispatch({ type: 'vm-detail', detail });
    this.select(name);
    await Promise.all([this.loadCheckpoints(name), this.loadPolicy(name)]);
  }

  async configure(name: string, config: VmConfig): Promise<void> {
    const wasEncrypted = this.store.getState().vms[name]?.detail?.config.encrypted ?? false;
    this.dispatch({ type: 'vm-detail', detail: await this.host.request('vm.configure', { name, config }) });
    if (!config.encrypted) this.freshlyEncrypted.delete(name);
    else if (!wasEncrypted) this.freshlyEncrypted.add(name);
  }

  /** False: the host could not say, and the user has been told. */
  loadPolicy(name: string): Promise<boolean> {
    return this.quietly(async () => this.dispatch({ type: 'policy', name, policy: await this.host.request('policy.show', { name }) }));
  }

  async setPolicy(name: string, policy: Policy): Promise<void> {
    this.dispatch({ type: 'policy', name, policy: await this.host.request('policy.set', { name, policy }) });
  }

  /** The guest is asked to make do with so much of its memory. */
  async balloon(name: string, memoryMiB: number): Promise<void> {
    this.changed(await this.host.request('vm.balloon', { name, memoryMiB }));
  }

  /** Puts the disc `path` into the drive, or with '' none. The user is asked when the guest uses the one that is in it. */
  async changeDisc(name: string, disk: string, path: string, force = false): Promise<void> {
    try {
      this.changed(await this.host.request('vm.media', { name, disk, path, force }));
    } catch (error) {
      if ((error as { code?: string }).code !== 'TRAY_LOCKED') throw error;
      this.dispatch({ type: 'dialog', dialog: { kind: 'locked-disc', vm: name, disk, path } });
    }
  }

  /** The same; a failure is told. */
  async eject(name: string, disk: string, force = false): Promise<void> {
    await this.quietly(() => this.changeDisc(name, disk, '', force), name);
  }

  /** Asks for the passphrase, if it takes one. */
  start(name: string): Promise<void> {
    return this.orAsk({ vm: name });
  }
  pause(name: string): Promise<void> {
    return this.command(name, 'pause', () => this.host.request('vm.pause', { name }));
  }
  resume(name: string): Promise<void> {
    return this.command(name, 'resume', () => this.host.request('vm.resume', { name }));
  }
  reset(name: string): Promise<void> {
    return this.command(name, 'reset', () => this.host.request('vm.reset', { name }));
  }
  stop(name: string, how: 'button' | 'plug'): Promise<void> {
    return this.command(name, 'stop', () => this.host.request('vm.stop', { name, how }));
  }

  async renameVm(name: string, as: string): Promise<void> {
    if (as === name) return;
    await this.tracked(name, 'rename', async () => {
      await this.host.request('vm.rename', { name, as });
      this.dispatch({ type: 'vm-removed', name });
    });
  }

  async remove(name: string): Promise<void> {
    await this.tracked(name, 'delete', async () => {
      await this.host.request('vm.delete', { name });
      this.dispatch({ type: 'vm-removed', name });
    });
  }

  /** `mode`: of the disks' files, from this checkpoint on; undefined: as the VM's settings say. */
  async take(name: string, title: string, mode?: CheckpointMode): Promise<void> {
    await this.tracked(name, 'take', async () => {
      const taken = await this.host.request('checkpoint.take', { name, title, ...(mode === undefined ? {} : { mode }) });
      await this.loadCheckpoints(name);
      this.notify('info', `“${taken.title}” is kept. ${name} stood still for ${formatMs(taken.pauseMs)}.`, name);
    });
  }

  /** Asks for the passphrase, if it takes one. */
  revert(name: string, checkpoint: Checkpoint): Promise<void> {
    return this.orAsk({ vm: name, backTo: checkpoint });
  }

  /**
   * Does what a passphrase was asked for, with it. Throws while the question stands and the passphrase is not the right one: ask again. Whatever else comes of it ends the
   * question, and a failure is told.
   */
  async answer(question: PassphraseQuestion, passphrase: string): Promise<void> {
    const stands = () => this.store.getState().dialog === question;
    let refusal: unknown;
    await this.tracked(question.vm, pendingOf(question), async () => {
      try {
        await this.perform(question, passphrase);
      } catch (error) {
        if (!lacksPassphrase(error) || !stands()) throw error;
        refusal = error;
      }
    });
    if (refusal !== undefined) throw refusal;
    if (stands()) this.dispatch({ type: 'dialog', dialog: undefined });
  }

  async rename(name: string, id: string, title: string): Promise<void> {
    await this.host.request('checkpoint.rename', { name, id, title });
    await this.loadCheckpoints(name);
  }

  async note(name: string, id: string, note: string): Promise<void> {
    await this.host.request('checkpoint.mark', { name, id, note });
    await this.loadCheckpoints(name);
  }

  async keep(name: string, id: string, pinned: boolean): Promise<void> {
    await this.quietly(async () => {
      await this.host.request('checkpoint.mark', { name, id, pinned });
      await this.loadCheckpoints(name);
    }, name);
  }

  /** What it shares and what deleting it frees. An old answer about another checkpoint goes at once; that this one has gone meanwhile the list tells. */
  async loadCheckpointDetail(name: string, id: string): Promise<void> {
    const asked = (this.detailsAsked.get(name) ?? 0) + 1;
    this.detailsAsked.set(name, asked);
    if (this.store.getState().vms[name]?.checkpointDetail?.checkpoint.id !== id)
      this.dispatch({ type: 'checkpoint-detail', name, detail: undefined });
    await this.quietly(async () => {
      const detail = await this.host.request('checkpoint.show', { name, id }).catch((error: unknown) => {
        if ((error as { code?: string }).code === 'NO_SUCH_CHECKPOINT') return undefined;
        throw error;
      });
      if (this.detailsAsked.get(name) === asked) this.dispatch({ type: 'checkpoint-detail', name, detail });
    }, name);
  }

  /** The user has confirmed it, also for one that is kept. */
  async deleteCheckpoint(name: string, { id, title }: Checkpoint, children: boolean): Promise<void> {
    await this.tracked(name, 'eliminate', async () => {
      const { ids, freedBytes } = await this.host.request('checkpoint.delete', { name, ids: [id], children, force: true });
      await this.loadCheckpoints(name);
      const others = ids.length - 1;
      const what = others === 0 ? `“${title}” is` : `“${title}” and ${others} below it are`;
      this.notify('info', `${what} deleted: ${formatBytes(freedBytes)} are free again.`, name);
    });
  }

  /** `full`: its disks are copied, and it needs nothing of the first VM's. */
  async clone(name: string, checkpoint: string, as: string, full: boolean): Promise<void> {
    const detail = await this.host.request('vm.clone', { name, checkpoint, as, full });
    this.dispatch({ type: 'vm-detail', detail });
    this.select(as);
    await Promise.all([this.loadCheckpoints(as), this.loadPolicy(as)]);
  }

  /** A command of the application's menu: what the window's buttons do to the selected VM. */
  menu(command: MenuCommand): void {
    if (command === 'new-vm') return this.dispatch({ type: 'dialog', dialog: { kind: 'new-vm' } });
    const vm = selectedVm(this.store.getState())?.summary;
    if (!vm) return;
    const { name, state } = vm;
    if (command === 'show-screen') this.dispatch({ type: 'tab', name, tab: 'screen' });
    else if (command === 'show-serial') this.dispatch({ type: 'tab', name, tab: 'serial' });
    else if (command === 'take-checkpoint') this.dispatch({ type: 'dialog', dialog: { kind: 'take', vm: name } });
    else if (command === 'power-button') void this.stop(name, 'button');
    else if (command === 'start') void this.start(name);
    else void (state === 'paused' ? this.resume(name) : this.pause(name));
  }

  notify(level: Notice['level'], text: string, vm?: string): void {
    this.dispatch({ type: 'notice', notice: { id: this.nextNotice++, level, text, vm } });
  }

  /** Why the selected VM is paused stands above its screen already. */
  private isShown(text: string, name: string | undefined): boolean {
    const vm = selectedVm(this.store.getState())?.summary;
    return vm?.state === 'paused' && vm.name === name && vm.reason !== undefined && text.includes(vm.reason);
  }

  private async loadCheckpoints(name: string): Promise<void> {
    await this.quietly(async () =>
      this.dispatch({ type: 'checkpoints-listed', name, checkpoints: await this.host.request('checkpoint.list', { name }) }),
    );
    this.refreshDetail(name);
  }

  /** What a checkpoint shares follows from the others, and from what is done to the disks' files. */
  private refreshDetail(name: string): void {
    const about = this.store.getState().vms[name]?.checkpointDetail?.checkpoint.id;
    if (about !== undefined) void this.loadCheckpointDetail(name, about);
  }

  private changed(vm: VmSummary): void {
    this.dispatch({ type: 'vm-changed', vm });
  }

  private orAsk(locked: Locked): Promise<void> {
    const { vm } = locked;
    return this.tracked(vm, pendingOf(locked), async () => {
      try {
        await this.perform(locked);
      } catch (error) {
        if (!lacksPassphrase(error)) throw error;
        this.dispatch({ type: 'dialog', dialog: questionOf(locked, error, this.store.getState().vms[vm], this.freshlyEncrypted.has(vm)) });
      }
    });
  }

  private async perform({ vm: name, backTo }: Locked, passphrase?: string): Promise<void> {
    const given = passphrase === undefined ? {} : { passphrase };
    if (backTo === undefined) {
      this.changed(await this.host.request('vm.start', { name, ...given }));
      this.freshlyEncrypted.delete(name);
      return;
    }
    this.changed(await this.host.request('checkpoint.revert', { name, id: backTo.id, ...given }));
    this.dispatch({ type: 'select-node', name, node: 'here' });
    this.notify('info', `${name} is back at “${backTo.title}”.`, name);
  }

  private command(name: string, pending: Pending, run: () => Promise<VmSummary>): Promise<void> {
    return this.tracked(name, pending, async () => this.changed(await run()));
  }

  /** Shows what is pending while it runs, and its failure as a notice. */
  private async tracked(name: string, pending: Pending, run: () => Promise<void>): Promise<void> {
    this.dispatch({ type: 'pending', name, pending });
    await this.quietly(run, name);
    this.dispatch({ type: 'pending', name, pending: undefined });
  }

  /** False: it failed, and the user has been told. */
  private async quietly(run: () => Promise<void>, vm?: string): Promise<boolean> {
    try {
      await run();
      return true;
    } catch (error) {
      // A lost connection has its own banner.
      if ((error as { code?: string }).code !== 'DISCONNECTED') this.notify('error', messageOf(error), vm);
      return false;
    }
  }
}

const pendingOf = ({ backTo }: Locked): Pending => (backTo === undefined ? 'start' : 'revert');
