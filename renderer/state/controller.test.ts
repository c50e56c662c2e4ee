import { expect, test } from 'vitest';
import {
  NO_POLICY,
  type Checkpoint,
  type EventName,
  type Events,
  type HostClient,
  type Params,
  type RequestName,
  type Result,
  type VmConfig,
  type VmSummary,
} from '../../main/ipc/contract.ts';
import { HERE } from './app-state.ts';
import { Controller } from './controller.ts';
import type { PassphraseQuestion } from './passphrase-question.ts';
import { selectedVm, sortedVms } from './reduce.ts';

const vm = (name: string, state: VmSummary['state'] = 'off'): VmSummary => ({ name, state, memoryMiB: 64, ownedElsewhere: false });
const taken: Checkpoint = {
  id: 'aaaaaaaa',
  title: 'First',
  parent: null,
  takenAt: '2026-01-01T00:00:00Z',
  pauseMs: 0.412,
  totalMs: 300,
  bytesWritten: 1,
  pages: { stored: 1, zero: 0, pointed: 0, absent: 0 },
  running: true,
  disks: [],
  trigger: 'user',
  poweredOnMs: 0,
  pinned: false,
  note: '',
};

/** Answers from a table; an answer that is an Error is a refusal. */
class TableHost implements HostClient {
  readonly answers: { [N in RequestName]?: Result<N> | Error } = {
    'app.info': { version: '0.1.0', libraryPath: '/library' },
    'vm.list': [vm('b'), vm('a 10'), vm('a 9', 'running')],
    'checkpoint.list': [],
    'policy.show': NO_POLICY,
  };
  private readonly listeners = new Map<EventName, (payload: never) => void>();
  readonly asked: [RequestName, unknown][] = [];
  request<N extends RequestName>(name: N, params: Params<N>): Promise<Result<N>> {
    this.asked.push([name, params]);
    const answer = this.answers[name];
    return answer instanceof Error || answer === undefined ? Promise.reject(answer) : Promise.resolve(answer as Result<N>);
  }
  on<E extends EventName>(event: E, listener: (payload: Events[E]) => void): () => void {
    this.listeners.set(event, listener);
    return () => {};
  }
  onFrame(): () => void {
    return () => {};
  }
  sendFrame(): void {}
  close(): void {}
  emit<E extends EventName>(event: E, payload: Events[E]): void {
    this.listeners.get(event)?.(payload as never);
  }
}

async function opened() {
  const host = new TableHost();
  const controller = new Controller(host);
  await controller.connectionChanged('open');
  return { host, controller, state: () => controller.store.getState() };
}

test('the list is sorted as a person sorts, and a running machine is chosen first', async () => {
  const { state } = await opened();
  expect(sortedVms(state()).map(view => view.summary.name)).toEqual(['a 9', 'a 10', 'b']);
  expect(state().selected).toBe('a 9');
});

test('what a view holds survives the list that comes after a reconnect; what has gone is dropped', async () => {
  const { host, controller, state } = await opened();
  controller.dispatch({ type: 'tab', name: 'b', tab: 'serial' });
  controller.dispatch({ type: 'dialog', dialog: { kind: 'plug', vm: 'a 9' } });
  await controller.connectionChanged('lost');
  host.answers['vm.list'] = [vm('b', 'running')];
  await controller.connectionChanged('open');
  expect(Object.keys(state().vms)).toEqual(['b']);
  expect(state().vms['b']?.tab).toBe('serial');
  expect(state().selected).toBe('b');
  expect(state().dialog).toBeUndefined();
});

test('a checkpoint: progress while it is taken, the measured pause afterwards', async () => {
  const { host, controller, state } = await opened();
  host.answers['checkpoint.take'] = taken;
  host.answers['checkpoint.list'] = [taken];
  const done = controller.take('a 9', 'First');
  expect(state().vms['a 9']?.pending).toBe('take');
  host.emit('checkpoint.progress', { name: 'a 9', step: 824, share: 0.5 });
  expect(state().vms['a 9']?.progress).toEqual({ step: 824, share: 0.5 });
  host.emit('checkpoint.progress', { name: 'a 9', step: 836, share: 1 });
  expect(state().vms['a 9']?.progress).toBeUndefined();
  await done;
  expect(state().vms['a 9']).toMatchObject({ pending: undefined, checkpoints: [taken] });
  expect(state().notices.at(-1)?.text).toBe('“First” is kept. a 9 stood still for 0.41 ms.');
});

test('deleting: what it would free is asked first, what it freed is told', async () => {
  const { host, controller, state } = await opened();
  const elimination = { ids: [taken.id], freedBytes: 3 << 20, keptBytes: 0, clones: [] };
  const detail = {
    checkpoint: taken,
    children: [],
    memory: { ownBytes: 1, sharedBytes: 0 },
    disks: [],
    alone: elimination,
    withChildren: { ...elimination, ids: [taken.id, 'bbbbbbbb'] },
  };
  host.answers['checkpoint.show'] = detail;
  const asking = controller.loadCheckpointDetail('b', taken.id);
  expect(state().vms['b']?.checkpointDetail).toBeUndefined();
  await asking;
  expect(state().vms['b']?.checkpointDetail).toEqual(detail);
  host.answers['checkpoint.delete'] = detail.withChildren;
  const deleting = controller.deleteCheckpoint('b', taken, true);
  expect(state().vms['b']?.pending).toBe('eliminate');
  await deleting;
  expect(host.asked).toContainEqual(['checkpoint.delete', { name: 'b', ids: [taken.id], children: true, force: true }]);
  expect(state().vms['b']).toMatchObject({ pending: undefined, checkpointDetail: undefined, checkpoints: [] });
  expect(state().notices.at(-1)?.text).toBe('“First” and 1 below it are deleted: 3.0 MiB are free again.');
});

test('details: only the last question’s answer counts, they follow the list, and a checkpoint that has gone is no error', async () => {
  const { host, controller, state } = await opened();
  const other = { ...taken, id: 'bbbbbbbb' };
  const elimination = { ids: [], freedBytes: 0, keptBytes: 0, clones: [] };
  const about = (checkpoint: Checkpoint, ownBytes: number) => ({
    ...{ checkpoint, children: [], memory: { ownBytes, sharedBytes: 0 }, disks: [], alone: elimination, withChildren: elimination },
  });
  host.answers['checkpoint.list'] = [taken, other];
  host.answers['checkpoint.show'] = about(taken, 1);
  const first = controller.loadCheckpointDetail('b', taken.id);
  host.answers['checkpoint.show'] = about(other, 2);
  await Promise.all([controller.loadCheckpointDetail('b', other.id), first]);
  expect(state().vms['b']?.checkpointDetail).toMatchObject({ checkpoint: { id: other.id } });
  host.answers['checkpoint.show'] = about(other, 3);
  host.emit('checkpoints.changed', { name: 'b' });
  await expect.poll(() => state().vms['b']?.checkpointDetail?.memory.ownBytes).toBe(3);
  host.answers['checkpoint.show'] = about(other, 4);
  host.emit('disk.progress', { name: 'b', disk: 'disk0', step: null, doneBytes: 0, totalBytes: 0 });
  await expect.poll(() => state().vms['b']?.checkpointDetail?.memory.ownBytes).toBe(4);
  host.answers['checkpoint.show'] = Object.assign(new Error('gone'), { code: 'NO_SUCH_CHECKPOINT' });
  await controller.loadCheckpointDetail('b', other.id);
  expect(state().vms['b']?.checkpointDetail).toBeUndefined();
  expect(state().notices).toEqual([]);
});

test('work on disks: the last news of each, until its end or the machine’s', async () => {
  const { host, state } = await opened();
  const tell = (disk: string, step: string | null, doneBytes = 0) =>
    host.emit('disk.progress', { name: 'a 9', disk, step, doneBytes, totalBytes: 9 });
  const work = () => state().vms['a 9']?.diskWork.map(({ disk, step, doneBytes }) => [disk, step, doneBytes]);
  tell('disk0', 'merge', 1);
  tell('disk1', 'copy-base', 2);
  tell('disk0', 'delete', 3);
  expect(work()).toEqual([
    ['disk0', 'delete', 3],
    ['disk1', 'copy-base', 2],
  ]);
  tell('disk0', null);
  tell('disk0', null);
  expect(work()).toEqual([['disk1', 'copy-base', 2]]);
  host.emit('vm.changed', vm('a 9', 'paused'));
  expect(work()).toHaveLength(1);
  host.emit('vm.changed', vm('a 9', 'crashed'));
  expect(work()).toEqual([]);
});

test('the way of a checkpoint and of a clone is asked for when the user chose one', async () => {
  const { host, controller } = await opened();
  host.answers['checkpoint.take'] = taken;
  await controller.take('b', 'x');
  await controller.take('b', 'x', 'full-copy');
  await controller.clone('b', taken.id, 'c', true).catch(() => {});
  expect(host.asked.filter(([name]) => name === 'checkpoint.take' || name === 'vm.clone').map(([, params]) => params)).toEqual([
    { name: 'b', title: 'x' },
    { name: 'b', title: 'x', mode: 'full-copy' },
    { name: 'b', checkpoint: taken.id, as: 'c', full: true },
  ]);
});

const locked = (code: string) => Object.assign(new Error('encrypted'), { code });
const config: VmConfig = {
  memoryMiB: 64,
  append: '',
  debugExit: false,
  noReboot: false,
  disks: [],
  checkpointMode: 'chain',
  overwrite: false,
};

test('a start that lacks the passphrase asks for it, again while it is wrong, and is repeated with it; the state never holds it', async () => {
  const { host, controller, state } = await opened();
  const states: string[] = [];
  controller.store.subscribe(now => states.push(JSON.stringify(now)));
  host.answers['vm.start'] = locked('PASSPHRASE_NEEDED');
  await controller.start('b');
  const asked = { kind: 'passphrase', vm: 'b', hasOther: false, isNew: true } as const;
  expect(state()).toMatchObject({ dialog: asked, notices: [] });
  expect(state().vms['b']?.pending).toBeUndefined();

  const question = state().dialog as PassphraseQuestion;
  host.answers['vm.start'] = locked('WRONG_PASSPHRASE');
  const wrong = controller.answer(question, 'a secret slip');
  expect(state().vms['b']?.pending).toBe('start');
  await expect(wrong).rejects.toMatchObject({ code: 'WRONG_PASSPHRASE' });
  expect(state()).toMatchObject({ dialog: asked, notices: [] });
  expect(state().vms['b']?.pending).toBeUndefined();

  host.answers['vm.start'] = vm('b', 'running');
  await controller.answer(question, 'a secret');
  expect(state().dialog).toBeUndefined();
  expect(state().vms['b']).toMatchObject({ summary: { state: 'running' }, pending: undefined });
  expect(host.asked.filter(([name]) => name === 'vm.start').map(([, params]) => params)).toEqual([
    { name: 'b' },
    { name: 'b', passphrase: 'a secret slip' },
    { name: 'b', passphrase: 'a secret' },
  ]);
  expect(states.filter(text => text.includes('secret'))).toEqual([]);
});

test('a revert asks, too, and says so when Cairn has another passphrase', async () => {
  const { host, controller, state } = await opened();
  host.answers['checkpoint.revert'] = locked('WRONG_PASSPHRASE');
  await controller.revert('a 9', taken);
  expect(state().dialog).toEqual({ kind: 'passphrase', vm: 'a 9', backTo: taken, hasOther: true, isNew: false });
  host.answers['checkpoint.revert'] = vm('a 9', 'running');
  await controller.answer(state().dialog as PassphraseQuestion, 'x');
  expect(host.asked.at(-1)).toEqual(['checkpoint.revert', { name: 'a 9', id: taken.id, passphrase: 'x' }]);
  expect(state()).toMatchObject({ dialog: undefined, notices: [{ text: 'a 9 is back at “First”.' }] });
});

test('another failure ends the question and is told; a question that the user has left stays closed, and its refusal is told', async () => {
  const { host, controller, state } = await opened();
  host.answers['vm.start'] = locked('PASSPHRASE_NEEDED');
  await controller.start('b');
  host.answers['vm.start'] = new Error('the kernel /k does not exist');
  await controller.answer(state().dialog as PassphraseQuestion, 'x');
  expect(state()).toMatchObject({ dialog: undefined, notices: [{ text: 'the kernel /k does not exist' }] });

  host.answers['vm.start'] = locked('WRONG_PASSPHRASE');
  await controller.start('b');
  const answering = controller.answer(state().dialog as PassphraseQuestion, 'x');
  controller.dispatch({ type: 'dialog', dialog: { kind: 'new-vm' } });
  await answering;
  expect(state()).toMatchObject({ dialog: { kind: 'new-vm' }, notices: [{}, { level: 'error', text: 'encrypted' }] });
});

test('a passphrase is a new one, and asked for twice, when the host has nothing to compare it with', async () => {
  const { host, controller, state } = await opened();
  const isNew = async () => {
    host.answers['vm.start'] = locked('PASSPHRASE_NEEDED');
    await controller.start('b');
    return (state().dialog as PassphraseQuestion).isNew;
  };
  const stand = (running: boolean) => {
    controller.dispatch({ type: 'checkpoints-listed', name: 'b', checkpoints: [{ ...taken, running }] });
    host.emit('vm.changed', { ...vm('b'), current: taken.id });
  };
  stand(false);
  expect(await isNew()).toBe(true);
  stand(true);
  expect(await isNew()).toBe(false);
  const summary = { ...vm('b'), current: taken.id };
  host.answers['vm.configure'] = { ...summary, config: { ...config, encrypted: true }, bundlePath: '/b', checkpoints: 1 };
  await controller.configure('b', { ...config, encrypted: true });
  expect(await isNew()).toBe(true);
  host.answers['vm.start'] = { ...summary, state: 'running' };
  await controller.answer(state().dialog as PassphraseQuestion, 'x');
  await controller.configure('b', { ...config, encrypted: true });
  expect(await isNew()).toBe(false);
});

test('why the selected machine is paused is not told a second time as a notice', async () => {
  const { host, controller, state } = await opened();
  const text = 'a 9 is paused: the disk is full. Resume it then, and nothing is lost.';
  host.emit('vm.changed', { ...vm('a 9', 'paused'), reason: 'the disk is full.' });
  host.emit('notice', { level: 'warning', text, name: 'a 9' });
  expect(state().notices).toEqual([]);
  controller.select('b');
  host.emit('notice', { level: 'warning', text, name: 'a 9' });
  expect(state().notices).toMatchObject([{ text }]);
});

test('keeping and notes: the list is asked again, a refusal is told', async () => {
  const { host, controller, state } = await opened();
  host.answers['checkpoint.mark'] = { ...taken, pinned: true };
  host.answers['checkpoint.list'] = [{ ...taken, pinned: true }];
  await controller.keep('b', taken.id, true);
  expect(host.asked).toContainEqual(['checkpoint.mark', { name: 'b', id: taken.id, pinned: true }]);
  expect(state().vms['b']?.checkpoints).toMatchObject([{ pinned: true }]);
  await controller.note('b', taken.id, 'a note');
  expect(host.asked).toContainEqual(['checkpoint.mark', { name: 'b', id: taken.id, note: 'a note' }]);
  host.answers['checkpoint.mark'] = new Error('the disk is full');
  await controller.keep('b', taken.id, false);
  expect(state().notices.at(-1)?.text).toBe('the disk is full');
  await expect(controller.note('b', taken.id, '')).rejects.toThrow('the disk is full');
});

test('a refusal is a notice and nothing stays pending; a lost connection is not told twice', async () => {
  const { host, controller, state } = await opened();
  host.answers['vm.start'] = new Error('the kernel /k does not exist');
  await controller.start('b');
  expect(state().vms['b']?.pending).toBeUndefined();
  expect(state().notices.map(({ level, text }) => [level, text])).toEqual([['error', 'the kernel /k does not exist']]);
  host.answers['vm.start'] = Object.assign(new Error('lost'), { code: 'DISCONNECTED' });
  await controller.start('b');
  expect(state().notices).toHaveLength(1);
});

test('a dialog’s refusal is the dialog’s to show', async () => {
  const { host, controller, state } = await opened();
  host.answers['vm.create'] = new Error('there is already a VM named "b"');
  await expect(controller.create('b', config)).rejects.toThrow('already');
  expect(state().notices).toHaveLength(0);
});

test('a chosen checkpoint that disappears gives the choice back to "You are here"', async () => {
  const { host, controller, state } = await opened();
  controller.dispatch({ type: 'checkpoints-listed', name: 'b', checkpoints: [taken] });
  controller.dispatch({ type: 'select-node', name: 'b', node: taken.id });
  controller.dispatch({ type: 'checkpoints-listed', name: 'b', checkpoints: [] });
  expect(state().vms['b']?.selectedNode).toBe(HERE);
  host.emit('vm.removed', { name: 'a 9' });
  expect(selectedVm(state())?.summary.name).toBe('a 10');
});

test('the same notice twice is one; old ones make room', async () => {
  const { controller, state } = await opened();
  controller.notify('info', 'x');
  controller.notify('info', 'x');
  expect(state().notices).toHaveLength(1);
  for (let n = 0; n < 9; n++) controller.notify('warning', String(n));
  expect(state().notices.map(({ text }) => text)).toEqual(['4', '5', '6', '7', '8']);
});

test('a policy is known from the start, and is what the host has made of it', async () => {
  const { host, controller, state } = await opened();
  expect(state().vms['b']?.policy).toEqual(NO_POLICY);
  const wanted = { ...NO_POLICY, everySeconds: 900 };
  host.answers['policy.set'] = wanted;
  await controller.setPolicy('b', wanted);
  expect(host.asked.at(-1)).toEqual(['policy.set', { name: 'b', policy: wanted }]);
  expect(state().vms['b']?.policy).toEqual(wanted);
  host.answers['policy.set'] = new Error('each tier must reach further back than the one before it');
  await expect(controller.setPolicy('b', NO_POLICY)).rejects.toThrow('each tier');
  expect(state().vms['b']?.policy).toEqual(wanted);
});

test('the memory that a guest is asked to make do with is shown as the host has it', async () => {
  const { host, controller, state } = await opened();
  host.answers['vm.balloon'] = { ...vm('a 9', 'running'), balloonMiB: 32, balloonedMiB: 0 };
  await controller.balloon('a 9', 32);
  expect(state().vms['a 9']?.summary.balloonMiB).toBe(32);
});

test('a disc that the guest uses is a question, and is changed once that is answered', async () => {
  const { host, controller, state } = await opened();
  const drive = { disk: 'disk1', path: '/two.iso', isLocked: false, isOpen: false };
  host.answers['vm.media'] = Object.assign(new Error('the guest has locked the tray'), { code: 'TRAY_LOCKED' });
  await controller.changeDisc('b', 'disk1', '/two.iso');
  expect(state().dialog).toEqual({ kind: 'locked-disc', vm: 'b', disk: 'disk1', path: '/two.iso' });
  expect(state().notices).toEqual([]);
  host.answers['vm.media'] = { ...vm('b'), drives: [drive] };
  await controller.changeDisc('b', 'disk1', '/two.iso', true);
  expect(host.asked.at(-1)).toEqual(['vm.media', { name: 'b', disk: 'disk1', path: '/two.iso', force: true }]);
  expect(state().vms['b']?.summary.drives).toEqual([drive]);
  host.answers['vm.media'] = new Error('/x.iso cannot be opened: it does not exist.');
  await expect(controller.changeDisc('b', 'disk1', '/x.iso')).rejects.toThrow('/x.iso');
  await controller.eject('b', 'disk1');
  expect(state().notices.at(-1)).toMatchObject({ level: 'error', vm: 'b' });
});
