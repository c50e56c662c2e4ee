/** What is known of one checkpoint, and what can be done with it. */
import { BookmarkPlus, CopyPlus, History, Pencil, Pin, PinOff, StickyNote, Trash2 } from 'lucide-react';
import { useEffect } from 'react';
import { Button } from 'react-aria-components';
import type { Checkpoint } from '../../main/ipc/contract.ts';
import { useApp, useCanCommand } from '../app-context.ts';
import { formatAge, formatBytes, formatClock, formatCount, formatMs } from '../format.ts';
import type { VmView } from '../state/app-state.ts';
import { DiskChain } from './disk-chain.tsx';

export function CheckpointDetails({ view, checkpoint, now }: { view: VmView; checkpoint: Checkpoint; now: number }) {
  return (
    <section className="details" aria-label={`Checkpoint ${checkpoint.title}`}>
      <h3>{checkpoint.title}</h3>
      <p className="hint" title={formatClock(checkpoint.takenAt)}>
        {formatClock(checkpoint.takenAt)} · {formatAge(checkpoint.takenAt, now)}
        {checkpoint.trigger === 'user' ? '' : ` · ${TRIGGER_WORDS[checkpoint.trigger]}`}
      </p>
      {checkpoint.note === '' ? null : <p className="note">{checkpoint.note}</p>}
      <Facts checkpoint={checkpoint} />
      <Actions view={view} checkpoint={checkpoint} />
      <PagesBar pages={checkpoint.pages} />
      <Room view={view} checkpoint={checkpoint} />
    </section>
  );
}

function Facts({ checkpoint }: { checkpoint: Checkpoint }) {
  return (
    <dl className="facts">
      <div className="fact strong">
        <dt>The machine stood still</dt>
        <dd>{checkpoint.running ? formatMs(checkpoint.pauseMs) : 'it was off'}</dd>
      </div>
      <div className="fact">
        <dt>Written</dt>
        <dd>{formatBytes(checkpoint.bytesWritten)}</dd>
      </div>
      <div className="fact">
        <dt>In all</dt>
        <dd>{formatMs(checkpoint.totalMs)}</dd>
      </div>
    </dl>
  );
}

/** What it takes on the host's disk, what it shares, and the files behind its disks. */
function Room({ view, checkpoint }: { view: VmView; checkpoint: Checkpoint }) {
  const { controller } = useApp();
  const { summary, checkpoints = [], checkpointDetail } = view;
  const { name } = summary;
  const { id, disks, mode } = checkpoint;
  useEffect(() => void controller.loadCheckpointDetail(name, id), [controller, name, id]);
  const detail = checkpointDetail?.checkpoint.id === id ? checkpointDetail : undefined;
  const sizeBytes = disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
  return (
    <>
      <dl className="room">
        <div>
          <dt>Its memory alone</dt>
          <dd>{detail ? formatBytes(detail.memory.ownBytes) : '…'}</dd>
        </div>
        <div>
          <dt>Shared with later ones</dt>
          <dd>{detail ? formatBytes(detail.memory.sharedBytes) : '…'}</dd>
        </div>
        <div title={disks.length > 0 ? 'Disk files that are merged then give back more.' : undefined}>
          <dt>Deleting it frees</dt>
          <dd>{detail ? `${disks.length > 0 ? 'at least ' : ''}${formatBytes(detail.alone.freedBytes)}` : '…'}</dd>
        </div>
        {disks.length === 0 ? null : (
          <div>
            <dt>{disks.length === 1 ? 'Disk' : `${disks.length} disks`}</dt>
            <dd>
              {formatBytes(sizeBytes)}
              {mode === undefined ? '' : `, ${MODE_WORDS[mode]}`}
            </dd>
          </div>
        )}
      </dl>
      {detail?.disks.map(disk => (
        <DiskChain key={disk.disk} disk={disk} checkpoints={checkpoints} />
      ))}
    </>
  );
}

function Actions({ view, checkpoint }: { view: VmView; checkpoint: Checkpoint }) {
  const { controller } = useApp();
  const { summary: vm } = view;
  const ask = (kind: 'revert' | 'rename' | 'clone' | 'note' | 'delete-checkpoint') =>
    controller.dispatch({ type: 'dialog', dialog: { kind, vm: vm.name, checkpoint: checkpoint.id } });
  const can = useCanCommand(view);
  return (
    <div className="actions">
      <Button className="button accent" isDisabled={!can} onPress={() => ask('revert')}>
        <History size={15} aria-hidden /> Revert to this
      </Button>
      <Button className="button" isDisabled={!can} onPress={() => ask('clone')}>
        <CopyPlus size={15} aria-hidden /> Clone…
      </Button>
      <Button className="button" isDisabled={!can} onPress={() => ask('rename')}>
        <Pencil size={15} aria-hidden /> Rename…
      </Button>
      <Button className="button" isDisabled={!can} onPress={() => ask('note')}>
        <StickyNote size={15} aria-hidden /> Note…
      </Button>
      <Button className="button" isDisabled={!can} onPress={() => void controller.keep(vm.name, checkpoint.id, !checkpoint.pinned)}>
        {checkpoint.pinned ? <PinOff size={15} aria-hidden /> : <Pin size={15} aria-hidden />}{' '}
        {checkpoint.pinned ? 'Keep no longer' : 'Keep'}
      </Button>
      <Button className="button danger-quiet" isDisabled={!can} onPress={() => ask('delete-checkpoint')}>
        <Trash2 size={15} aria-hidden /> Delete…
      </Button>
    </div>
  );
}

const TRIGGER_WORDS: Readonly<Record<Checkpoint['trigger'], string>> = {
  user: '',
  period: 'taken periodically',
  'on-battery': 'taken on battery power',
  'battery-low': 'taken as the battery ran low',
  suspend: 'taken before this computer slept',
  shutdown: 'taken before this computer shut down',
  reset: 'taken before a reset',
  'power-off': 'taken when the guest powered off',
};

const MODE_WORDS: Readonly<Record<NonNullable<Checkpoint['mode']>, string>> = {
  chain: 'kept in the chain',
  copy: 'copied aside',
  'full-copy': 'copied whole',
};

const PAGE_KINDS = [
  ['stored', 'Stored', 'pages written to this checkpoint’s file'],
  ['pointed', 'Shared', 'pages unchanged since an earlier checkpoint, which holds them'],
  ['zero', 'Zero', 'pages that hold only zeroes'],
] as const;

function PagesBar({ pages }: { pages: Checkpoint['pages'] }) {
  const total = Math.max(1, pages.stored + pages.pointed + pages.zero + pages.absent);
  return (
    <div className="pages">
      <div className="pages-bar" aria-hidden>
        {PAGE_KINDS.map(([kind]) => (
          <span key={kind} className={kind} style={{ width: `${(pages[kind] / total) * 100}%` }} />
        ))}
      </div>
      <dl className="legend">
        {PAGE_KINDS.map(([kind, word, meaning]) => (
          <div key={kind} title={meaning}>
            <dt>
              <span className={`swatch ${kind}`} aria-hidden /> {word}
            </dt>
            <dd>{formatCount(pages[kind])}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

export function HereDetails({ view }: { view: VmView }) {
  const { controller } = useApp();
  const { summary: vm, checkpoints } = view;
  const can = useCanCommand(view);
  const current = checkpoints?.find(({ id }) => id === vm.current);
  return (
    <section className="details" aria-label="You are here">
      <h3>You are here</h3>
      <p className="hint">
        {current ? (
          <>
            This machine has come from <strong>{current.title}</strong>. What has changed since is not kept yet.
          </>
        ) : checkpoints?.length === 0 ? (
          'Nothing is kept yet. A checkpoint keeps the whole running machine, and the machine goes on while it is written.'
        ) : (
          'What this machine does now is not kept yet.'
        )}
      </p>
      <div className="actions">
        <Button
          className="button accent"
          isDisabled={!can || vm.state === 'starting'}
          onPress={() => controller.dispatch({ type: 'dialog', dialog: { kind: 'take', vm: vm.name } })}
        >
          <BookmarkPlus size={15} aria-hidden /> Take checkpoint…
        </Button>
      </div>
    </section>
  );
}
