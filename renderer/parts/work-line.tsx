/** What goes on beside the guest, in a few words of the status line. Of several things the first is told. */
import { Label, ProgressBar } from 'react-aria-components';
import type { Work } from '../state/work-words.ts';

export function WorkLine({ works }: { works: readonly Work[] }) {
  const [first, ...others] = works;
  if (first === undefined) return null;
  return (
    <ProgressBar className="work" {...(first.share === undefined ? { isIndeterminate: true } : { value: first.share * 100 })}>
      {({ percentage }) => (
        <>
          <span className="work-track" aria-hidden>
            <span className={percentage === undefined ? 'bar unknown' : 'bar'} style={{ width: `${percentage ?? 40}%` }} />
          </span>
          <Label className="work-words">{first.words}</Label>
          {others.length > 0 ? <span title={others.map(({ words }) => words).join('\n')}>+{others.length}</span> : null}
        </>
      )}
    </ProgressBar>
  );
}
