/** One of a few words, as the system's own list: it has the keyboard and the screen reader's words already. */
import { ChevronDown } from 'lucide-react';
import { useId } from 'react';

export type Choices<T extends string> = Readonly<Record<T, string>>;

interface Props<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly choices: Partial<Choices<T>>;
  readonly onChange: (value: T) => void;
  readonly isDisabled?: boolean;
}

export function ChoiceField<T extends string>({ label, value, choices, onChange, isDisabled = false }: Props<T>) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <span className="select">
        <select id={id} value={value} disabled={isDisabled} onChange={event => onChange(event.currentTarget.value as T)}>
          {Object.entries<string | undefined>(choices).map(([key, words]) => (
            <option key={key} value={key}>
              {words}
            </option>
          ))}
        </select>
        <ChevronDown size={14} aria-hidden />
      </span>
    </div>
  );
}
