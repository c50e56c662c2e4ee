/** A time as a count and a unit, inside a sentence: its label is for those who do not see the sentence. */
import { Input, NumberField } from 'react-aria-components';
import { ChevronDown } from 'lucide-react';
import { SECONDS, secondsOf, spanOf, type TimeUnit } from '../state/policy-form.ts';

const UNITS: Readonly<Record<TimeUnit, string>> = { s: 'second', min: 'minute', h: 'hour', d: 'day' };
const MOST = 9999;

interface Props {
  readonly label: string;
  /** Seconds. */
  readonly value: number;
  readonly isDisabled?: boolean;
  readonly isInvalid?: boolean;
  readonly onChange: (seconds: number) => void;
}

export function SpanField({ label, value, onChange, isDisabled = false, isInvalid = false }: Props) {
  const { count, unit } = spanOf(value);
  return (
    <span className="span-field">
      <NumberField
        className="field"
        aria-label={label}
        value={count}
        minValue={1}
        maxValue={MOST}
        isDisabled={isDisabled}
        isInvalid={isInvalid}
        onChange={to => onChange(secondsOf({ count: Number.isNaN(to) ? 1 : to, unit }))}
      >
        <Input />
      </NumberField>
      <span className="field">
        <span className="select">
          <select
            aria-label={`${label}: unit`}
            value={unit}
            disabled={isDisabled}
            onChange={event => onChange(secondsOf({ count, unit: event.currentTarget.value as TimeUnit }))}
          >
            {Object.keys(SECONDS).map(key => (
              <option key={key} value={key}>
                {UNITS[key as TimeUnit] + (count === 1 ? '' : 's')}
              </option>
            ))}
          </select>
          <ChevronDown size={14} aria-hidden />
        </span>
      </span>
    </span>
  );
}
