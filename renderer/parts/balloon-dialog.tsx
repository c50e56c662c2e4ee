/** How much of its memory a guest is asked to make do with. What it gives back is not saved by checkpoints; it gives it bit by bit, and that is shown. */
import { useState } from 'react';
import { Button, Label, Slider, SliderOutput, SliderThumb, SliderTrack } from 'react-aria-components';
import { useApp } from '../app-context.ts';
import { formatMemory } from '../format.ts';
import type { VmView } from '../state/app-state.ts';
import { FormError } from './form-end.tsx';
import { ModalDialog, useCloseDialog } from './modal-dialog.tsx';
import { useAttempt } from './use-attempt.ts';

/** Less than this leaves a guest nothing to run in. */
const LEAST_MIB = 16;
const STEP_MIB = 4;

export function BalloonDialog({ view }: { view: VmView }) {
  const { controller } = useApp();
  const close = useCloseDialog();
  const { name, memoryMiB, balloonMiB = memoryMiB, balloonedMiB = 0, state } = view.summary;
  const [wanted, setWanted] = useState(Math.round(balloonMiB));
  const { refusal, attempt } = useAttempt();
  const least = Math.min(LEAST_MIB, memoryMiB);
  const isOn = state === 'running' || state === 'paused';
  const ask = (mebibytes: number) => void attempt(() => controller.balloon(name, mebibytes));
  return (
    <ModalDialog heading={`Memory of ${name}`}>
      <p>
        The guest is asked to give back what it does not need. Checkpoints are smaller then, for they do not save what it has given back.
      </p>
      <Slider
        className="slider"
        minValue={least}
        maxValue={memoryMiB}
        step={STEP_MIB}
        value={wanted}
        isDisabled={!isOn}
        onChange={to => setWanted(to as number)}
        onChangeEnd={to => ask(to as number)}
      >
        <div className="slider-head">
          <Label>It makes do with</Label>
          <SliderOutput>{() => `${formatMemory(wanted)} of ${formatMemory(memoryMiB)}`}</SliderOutput>
        </div>
        <SliderTrack className="slider-track">
          {({ state: slider }) => (
            <>
              <span className="slider-fill" style={{ width: `${slider.getThumbPercent(0) * 100}%` }} />
              <SliderThumb className="slider-thumb" />
            </>
          )}
        </SliderTrack>
      </Slider>
      <dl className="facts">
        <div className="fact">
          <dt>Asked for</dt>
          <dd>{formatMemory(memoryMiB - wanted)}</dd>
        </div>
        <div className="fact">
          <dt>Given back</dt>
          <dd>{balloonedMiB.toFixed(balloonedMiB < 10 && balloonedMiB > 0 ? 1 : 0)} MiB</dd>
        </div>
      </dl>
      <p className="hint" aria-live="polite">
        {hintOf(isOn, memoryMiB - wanted, balloonedMiB)}
      </p>
      <FormError text={refusal} />
      <div className="dialog-foot">
        <Button
          className="button"
          isDisabled={!isOn || wanted === memoryMiB}
          onPress={() => {
            setWanted(memoryMiB);
            ask(memoryMiB);
          }}
        >
          Give it all back
        </Button>
        <span className="spacer" />
        <Button className="button primary" onPress={close}>
          Done
        </Button>
      </div>
    </ModalDialog>
  );
}

function hintOf(isOn: boolean, askedMiB: number, balloonedMiB: number): string {
  if (!isOn) return 'The machine is not running.';
  if (askedMiB === 0) return balloonedMiB < 1 ? 'The guest has all of its memory.' : 'The guest takes its memory again as it needs it.';
  if (balloonedMiB >= askedMiB - 1) return 'The guest has given back all that it was asked for.';
  return balloonedMiB < 1
    ? 'The guest has given back nothing yet: it may be busy, or lack the driver virtio_balloon.'
    : 'The guest is giving it back, as far as it can.';
}
