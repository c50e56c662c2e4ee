/** Lets a VM's policy see how things are, again and again while the VM is not off, and does what it decides. */
import { messageOf } from '#engine/errors/errors.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { storedFiles } from '#worker/stored-files.ts';
import type { Events, Policy } from '../ipc/contract.ts';
import type { PowerState } from './power.ts';
import { automaticTitle, roomWords } from './words.ts';
import { VmPolicy, type Decision, type Situation } from './vm-policy.ts';
import type { Vm } from '../vm.ts';

/** How often a policy looks: often enough for its own period. */
const SHORT_LOOK_MS = 1000;
const LONG_LOOK_MS = 5000;
const LONG_PERIOD_SECONDS = 60;

/** What a policy needs of a VM. */
export interface PolicedVm extends Pick<Vm, 'busy' | 'isRunning' | 'poweredOnMs' | 'checkpoints' | 'take' | 'thin'> {
  readonly bundle: Pick<Vm['bundle'], 'name' | 'path' | 'checkpointsPath' | 'policy'>;
}

export interface PolicyHost {
  readPower(): PowerState | undefined;
  notice(level: Events['notice']['level'], text: string): void;
}

export class PolicyRunner {
  private readonly vm: PolicedVm;
  private readonly host: PolicyHost;
  private readonly policy: VmPolicy;
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> | undefined;

  constructor(vm: PolicedVm, host: PolicyHost) {
    this.vm = vm;
    this.host = host;
    this.policy = new VmPolicy(vm.bundle.policy);
  }

  /** To be called whenever the VM has changed: the policy looks at one that is not off only. */
  follow(): void {
    const { policy } = this.policy;
    const looks = policy.everySeconds !== null || policy.onBattery || policy.batteryLowPercent !== null;
    if (!this.vm.busy || !looks) return this.stop();
    const everyMs = (policy.everySeconds ?? LONG_PERIOD_SECONDS) < LONG_PERIOD_SECONDS ? SHORT_LOOK_MS : LONG_LOOK_MS;
    this.timer ??= setInterval(() => void this.look(), everyMs).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  change(policy: Policy): void {
    this.policy.policy = policy;
    this.stop();
    this.follow();
  }

  /** One look, unless what was decided at the last is still being done. */
  async look(): Promise<void> {
    if (!this.working) await this.work(() => this.policy.look(this.situation()));
  }

  /** Settles when what the policy wants at this event is done; what was under way is waited for. */
  async happened(event: 'suspend' | 'shutdown' | 'reset' | 'power-off'): Promise<void> {
    const decisions = this.policy.happened(event);
    if (decisions.length === 0) return;
    await this.working;
    await this.work(() => decisions);
    await this.work(() => this.policy.thinOut(this.situation()));
  }

  private work(decide: () => readonly Decision[]): Promise<void> {
    const working = (async () => {
      for (const decision of decide()) await this.act(decision);
    })().finally(() => (this.working = undefined));
    this.working = working;
    return working;
  }

  /** What fails is told; the VM and its policy go on. */
  private async act(decision: Decision): Promise<void> {
    const { vm, host } = this;
    try {
      if (decision.kind === 'take') await vm.take(automaticTitle(decision.trigger), decision.trigger);
      else if (decision.kind === 'eliminate') await vm.thin(decision.ids);
      else host.notice(decision.kind === 'low-on-room' ? 'warning' : 'info', roomWords(vm.bundle.name, vm.bundle.path, decision));
    } catch (error) {
      if (decision.kind === 'take') this.policy.failed(decision.trigger, vm.poweredOnMs);
      host.notice('warning', messageOf(error));
    }
  }

  private situation(): Situation {
    const { vm, host } = this;
    return {
      running: vm.isRunning,
      poweredOnMs: vm.poweredOnMs,
      checkpoints: vm.checkpoints(),
      freeBytes: freeBytes(vm.bundle),
      power: host.readPower(),
    };
  }
}

/** On the disk of the two, the bundle's and its checkpoint store's, that has less. */
function freeBytes({ path, checkpointsPath }: PolicedVm['bundle']): number | undefined {
  try {
    return Math.min(nodeFiles.freeBytes(path), storedFiles.freeBytes(checkpointsPath));
  } catch {
    return undefined; // the next checkpoint will tell what is wrong with the disk
  }
}
