/** What can be done to the machine now. Buttons keep their places; those that make no sense in its state are disabled. */
import { BookmarkPlus, History, MemoryStick, Pause, Play, Plug, Power, RotateCw, Settings2 } from 'lucide-react';
import { Button, ProgressBar, Toolbar } from 'react-aria-components';
import type { VmSummary } from '../../main/ipc/contract.ts';
import { useApp, useCanCommand } from '../app-context.ts';
import { formatMemory } from '../format.ts';
import type { VmView } from '../state/app-state.ts';
import { DriveMenu } from './drive-menu.tsx';
import { IconButton } from './icon-button.tsx';
import { STATE_WORDS, StateDot } from './state-dot.tsx';

export function MachineToolbar({ view }: { view: VmView }) {
  const { controller } = useApp();
  const { summary: vm, pending } = view;
  const can = useCanCommand(view);
  const on = vm.state === 'running' || vm.state === 'paused';
  const off = vm.state === 'off' || vm.state === 'crashed';
  const ask = (kind: 'take' | 'plug' | 'reset' | 'settings' | 'balloon') =>
    controller.dispatch({ type: 'dialog', dialog: { kind, vm: vm.name } });
  const current = view.checkpoints?.find(({ id }) => id === vm.current);
  return (
    <header className="machine-head">
      <div className="machine-title">
        <h1>{vm.name}</h1>
        <p>
          <StateDot state={vm.state} /> {STATE_WORDS[vm.state]} · {formatMemory(vm.memoryMiB)}
          {(vm.savedMiB ?? 0) >= 1 ? ` · ${Math.floor(vm.savedMiB!)} MiB of it saved by sharing` : null}
        </p>
      </div>
      <Toolbar className="toolbar" aria-label="Machine">
        {off || vm.state === 'starting' ? (
          <Button className="button primary wide" isDisabled={!can || !off} onPress={() => void controller.start(vm.name)}>
            <Play size={15} aria-hidden /> Start
          </Button>
        ) : vm.state === 'paused' ? (
          <Button className="button primary wide" isDisabled={!can} onPress={() => void controller.resume(vm.name)}>
            <Play size={15} aria-hidden /> Resume
          </Button>
        ) : (
          <Button className="button wide" isDisabled={!can || vm.state !== 'running'} onPress={() => void controller.pause(vm.name)}>
            <Pause size={15} aria-hidden /> Pause
          </Button>
        )}
        <Button className="button accent take" isDisabled={!can || vm.state === 'starting'} onPress={() => ask('take')}>
          <BookmarkPlus size={15} aria-hidden /> Take checkpoint
          {pending === 'take' ? <TakeProgress share={view.progress?.share} /> : null}
        </Button>
        <Button
          className="button"
          isDisabled={!can || current === undefined || vm.state === 'starting'}
          onPress={() =>
            current && controller.dispatch({ type: 'dialog', dialog: { kind: 'revert', vm: vm.name, checkpoint: current.id } })
          }
        >
          <History size={15} aria-hidden /> Revert
        </Button>
        <span className="rule" role="presentation" />
        <IconButton
          icon={Power}
          text="Press the power button"
          isDisabled={!can || vm.state !== 'running'}
          onPress={() => void controller.stop(vm.name, 'button')}
        />
        <IconButton icon={RotateCw} text="Reset" isDisabled={!can || !on} onPress={() => ask('reset')} />
        <IconButton icon={Plug} text="Pull the plug" isDisabled={!can || off} onPress={() => ask('plug')} />
        {vm.drives === undefined ? null : (
          <DriveMenu vm={vm.name} drives={vm.drives} isDisabled={!can || vm.state === 'starting' || vm.state === 'reverting'} />
        )}
        <IconButton
          icon={MemoryStick}
          text={balloonWords(vm)}
          isDisabled={!can || !on || vm.balloonMiB === undefined}
          onPress={() => ask('balloon')}
        />
        <IconButton
          icon={Settings2}
          text={off ? 'Settings' : 'Settings (when the machine is off)'}
          isDisabled={!can || !off}
          onPress={() => ask('settings')}
        />
      </Toolbar>
    </header>
  );
}

function balloonWords({ balloonMiB, state }: VmSummary): string {
  if (state !== 'running' && state !== 'paused') return 'Memory (when the machine is on)';
  return balloonMiB === undefined ? 'Memory (needs a memory balloon: settings)' : 'Memory';
}

function TakeProgress({ share }: { share: number | undefined }) {
  return (
    <ProgressBar
      className="take-progress"
      aria-label="Checkpoint"
      {...(share === undefined ? { isIndeterminate: true } : { value: share * 100 })}
    >
      {({ percentage }) => <span className="bar" style={{ width: `${percentage ?? 15}%` }} />}
    </ProgressBar>
  );
}
