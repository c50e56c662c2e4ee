/** The one place where the window's state changes. Pure: an action that changes nothing returns the same object. */
import type { Events, VmSummary } from '../../main/ipc/contract.ts';
import { HERE, type Action, type AppState, type VmView } from './app-state.ts';

const MAX_NOTICES = 5;

export function reduce(state: AppState, action: Action): AppState {
  switch (action.type) {
    case 'connection':
      return { ...state, connection: action.state };
    case 'info':
      return { ...state, info: action.info };
    case 'vms-listed':
      return withVms(state, action.vms);
    case 'vm-changed':
      return patchVm(settle(state, action.vm), action.vm.name, { summary: action.vm, ...(hasWorld(action.vm) ? {} : ENDED) });
    case 'vm-detail': {
      const { config, bundlePath, checkpoints, ...summary } = action.detail;
      return patchVm(settle(state, summary), summary.name, { summary, detail: { ...summary, config, bundlePath, checkpoints } });
    }
    case 'vm-removed':
      return withVms(
        state,
        sortedVms(state)
          .map(view => view.summary)
          .filter(vm => vm.name !== action.name),
      );
    case 'checkpoints-listed': {
      const view = state.vms[action.name];
      if (!view) return state;
      const about = view.checkpointDetail?.checkpoint.id;
      const detail = action.checkpoints.some(({ id }) => id === about) ? view.checkpointDetail : undefined;
      const still = view.selectedNode === HERE || action.checkpoints.some(({ id }) => id === view.selectedNode);
      return patchVm(state, action.name, {
        checkpoints: action.checkpoints,
        checkpointDetail: detail,
        selectedNode: still ? view.selectedNode : HERE,
      });
    }
    case 'checkpoint-detail':
      return patchVm(state, action.name, { checkpointDetail: action.detail });
    case 'policy':
      return patchVm(state, action.name, { policy: action.policy });
    case 'progress': {
      const { name, step, share } = action.progress;
      // Step 836 is the last: nothing is going on any more.
      return patchVm(state, name, { progress: step >= 836 ? undefined : { step, share } });
    }
    case 'disk-progress':
      return withDiskWork(state, action.progress);
    case 'pending':
      return patchVm(state, action.name, { pending: action.pending, ...(action.pending === undefined ? { progress: undefined } : {}) });
    case 'select-vm':
      return state.vms[action.name] ? { ...state, selected: action.name } : state;
    case 'select-node':
      return patchVm(state, action.name, { selectedNode: action.node });
    case 'tab':
      return patchVm(state, action.name, { tab: action.tab });
    case 'notice': {
      const repeated = state.notices.at(-1)?.text === action.notice.text;
      const kept = repeated ? state.notices.slice(0, -1) : state.notices;
      return { ...state, notices: [...kept, action.notice].slice(-MAX_NOTICES) };
    }
    case 'dismiss':
      return { ...state, notices: state.notices.filter(({ id }) => id !== action.id) };
    case 'dialog':
      return { ...state, dialog: action.dialog };
    default:
      return assertNever(action);
  }
}

export function sortedVms(state: AppState): VmView[] {
  return Object.values(state.vms).sort((a, b) => a.summary.name.localeCompare(b.summary.name, undefined, { numeric: true }));
}

export function selectedVm(state: AppState): VmView | undefined {
  return state.selected === undefined ? undefined : state.vms[state.selected];
}

/** The list as the host has it now: views of VMs that stay keep what they hold. */
function withVms(state: AppState, summaries: readonly VmSummary[]): AppState {
  const vms: Record<string, VmView> = {};
  for (const summary of summaries) vms[summary.name] = { ...(state.vms[summary.name] ?? newView(summary)), summary };
  const next: AppState = { ...state, loaded: true, vms };
  const first = sortedVms(next).find(({ summary }) => summary.state === 'running' || summary.state === 'paused') ?? sortedVms(next)[0];
  const gone = state.selected === undefined || !vms[state.selected];
  const dialogGone = state.dialog && 'vm' in state.dialog && !vms[state.dialog.vm];
  return { ...next, selected: gone ? first?.summary.name : state.selected, dialog: dialogGone ? undefined : state.dialog };
}

/** Adds a VM that the window did not know. */
function settle(state: AppState, summary: VmSummary): AppState {
  if (state.vms[summary.name]) return state;
  const vms = { ...state.vms, [summary.name]: newView(summary) };
  return { ...state, vms, selected: state.selected ?? summary.name };
}

function newView(summary: VmSummary): VmView {
  return { summary, selectedNode: HERE, tab: 'screen', diskWork: [] };
}

/** Nobody tells any more what a world does that has ended. */
const ENDED: Pick<VmView, 'progress' | 'diskWork'> = { progress: undefined, diskWork: [] };
const hasWorld = ({ state }: VmSummary): boolean => state !== 'off' && state !== 'crashed';

function withDiskWork(state: AppState, { name, step, ...rest }: Events['disk.progress']): AppState {
  const before = state.vms[name]?.diskWork ?? [];
  const at = before.findIndex(({ disk }) => disk === rest.disk);
  if (step === null) return at < 0 ? state : patchVm(state, name, { diskWork: before.toSpliced(at, 1) });
  const work = { ...rest, step };
  return patchVm(state, name, { diskWork: at < 0 ? [...before, work] : before.with(at, work) });
}

function patchVm(state: AppState, name: string, patch: Partial<VmView>): AppState {
  const view = state.vms[name];
  return view ? { ...state, vms: { ...state.vms, [name]: { ...view, ...patch } } } : state;
}

function assertNever(action: never): never {
  throw new Error(`unknown action ${JSON.stringify(action)}`);
}
