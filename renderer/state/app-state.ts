/** Everything that the window shows, but for the consoles' contents (they change too often: console/console-hub.ts). */
import type { Checkpoint, CheckpointDetail, Events, Policy, Result, VmDetail, VmSummary } from '../../main/ipc/contract.ts';
import type { ConnectionState } from '../client.ts';
import type { PassphraseQuestion } from './passphrase-question.ts';

export type AppInfo = Result<'app.info'>;
export type ConsoleTab = 'screen' | 'serial';

export interface Notice {
  readonly id: number;
  readonly level: 'info' | 'warning' | 'error';
  readonly text: string;
  readonly vm?: string | undefined;
}

export type Dialog =
  | { readonly kind: 'new-vm' }
  | { readonly kind: 'settings'; readonly vm: string }
  | { readonly kind: 'take'; readonly vm: string }
  | { readonly kind: 'revert'; readonly vm: string; readonly checkpoint: string }
  | { readonly kind: 'rename'; readonly vm: string; readonly checkpoint: string }
  | { readonly kind: 'clone'; readonly vm: string; readonly checkpoint: string }
  | { readonly kind: 'note'; readonly vm: string; readonly checkpoint: string }
  | { readonly kind: 'delete-checkpoint'; readonly vm: string; readonly checkpoint: string }
  | PassphraseQuestion
  | { readonly kind: 'balloon'; readonly vm: string }
  | { readonly kind: 'policy'; readonly vm: string }
  | { readonly kind: 'insert-disc'; readonly vm: string; readonly disk: string }
  /** The guest uses the disc that was to go; `path`: what was to come in its place, '' nothing. */
  | { readonly kind: 'locked-disc'; readonly vm: string; readonly disk: string; readonly path: string }
  | { readonly kind: 'plug'; readonly vm: string }
  | { readonly kind: 'reset'; readonly vm: string }
  | { readonly kind: 'rename-vm'; readonly vm: string }
  | { readonly kind: 'delete'; readonly vm: string };

/** What the user asked of a VM and the host has not answered yet. */
export type Pending = 'start' | 'stop' | 'pause' | 'resume' | 'reset' | 'take' | 'revert' | 'rename' | 'delete' | 'eliminate';

/** The node of the snapshot tree that stands for the machine as it is now. */
export const HERE = 'here';

/** What is being done to a disk's files beside the guest: a step of the collector. */
export type DiskWork = Omit<Events['disk.progress'], 'name' | 'step'> & { readonly step: string };

export interface VmView {
  readonly summary: VmSummary;
  readonly detail?: VmDetail | undefined;
  readonly checkpoints?: readonly Checkpoint[] | undefined;
  /** Of the checkpoint that was asked about last: what it shares and what deleting it frees. */
  readonly checkpointDetail?: CheckpointDetail | undefined;
  /** When checkpoints are taken without being asked for, and how long those are kept. */
  readonly policy?: Policy | undefined;
  readonly progress?: { readonly step: number; readonly share: number } | undefined;
  /** One entry for each disk that is worked on, the one that began first at the front. */
  readonly diskWork: readonly DiskWork[];
  readonly pending?: Pending | undefined;
  /** A checkpoint id or HERE. */
  readonly selectedNode: string;
  readonly tab: ConsoleTab;
}

export interface AppState {
  readonly connection: ConnectionState;
  /** False until the first list of VMs has come. */
  readonly loaded: boolean;
  readonly info?: AppInfo | undefined;
  readonly vms: Readonly<Record<string, VmView>>;
  readonly selected?: string | undefined;
  readonly notices: readonly Notice[];
  readonly dialog?: Dialog | undefined;
}

export const initialState: AppState = { connection: 'connecting', loaded: false, vms: {}, notices: [] };

export type Action =
  | { readonly type: 'connection'; readonly state: ConnectionState }
  | { readonly type: 'info'; readonly info: AppInfo }
  | { readonly type: 'vms-listed'; readonly vms: readonly VmSummary[] }
  | { readonly type: 'vm-changed'; readonly vm: VmSummary }
  | { readonly type: 'vm-detail'; readonly detail: VmDetail }
  | { readonly type: 'vm-removed'; readonly name: string }
  | { readonly type: 'checkpoints-listed'; readonly name: string; readonly checkpoints: readonly Checkpoint[] }
  | { readonly type: 'checkpoint-detail'; readonly name: string; readonly detail: CheckpointDetail | undefined }
  | { readonly type: 'policy'; readonly name: string; readonly policy: Policy }
  | { readonly type: 'progress'; readonly progress: Events['checkpoint.progress'] }
  | { readonly type: 'disk-progress'; readonly progress: Events['disk.progress'] }
  | { readonly type: 'pending'; readonly name: string; readonly pending: Pending | undefined }
  | { readonly type: 'select-vm'; readonly name: string }
  | { readonly type: 'select-node'; readonly name: string; readonly node: string }
  | { readonly type: 'tab'; readonly name: string; readonly tab: ConsoleTab }
  | { readonly type: 'notice'; readonly notice: Notice }
  | { readonly type: 'dismiss'; readonly id: number }
  | { readonly type: 'dialog'; readonly dialog: Dialog | undefined };
