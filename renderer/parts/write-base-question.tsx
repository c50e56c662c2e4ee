/** Before a guest may write to the user's own image: the user says so, by name of the file. */
import { Button } from 'react-aria-components';

interface Props {
  readonly paths: readonly string[];
  readonly isBusy: boolean;
  readonly onBack: () => void;
  readonly onAgree: () => void;
}

export function WriteBaseQuestion({ paths, isBusy, onBack, onAgree }: Props) {
  const one = paths.length === 1;
  return (
    <div className="question" role="alert">
      <p>
        <strong>{one ? 'This file will be written:' : 'These files will be written:'}</strong>
      </p>
      <ul className="mono">
        {paths.map(path => (
          <li key={path}>{path}</li>
        ))}
      </ul>
      <p>
        What the guest writes goes into {one ? 'it' : 'them'}. Only checkpoints lead back to what {one ? 'it holds' : 'they hold'} now; if
        you want to keep {one ? 'it' : 'them'}, make a copy first.
      </p>
      <div className="dialog-foot">
        <Button className="button" autoFocus onPress={onBack}>
          Back
        </Button>
        <Button className="button danger" isDisabled={isBusy} onPress={onAgree}>
          Let the guest write to {one ? 'it' : 'them'}
        </Button>
      </div>
    </div>
  );
}
