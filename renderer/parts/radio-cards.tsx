/** One of a few ways, each with a line that says what it means and costs. */
import { Label, Radio, RadioGroup } from 'react-aria-components';

export interface Card<T extends string> {
  readonly value: T;
  readonly title: string;
  readonly text: string;
}

interface Props<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly cards: readonly Card<T>[];
  readonly onChange: (value: T) => void;
}

export function RadioCards<T extends string>({ label, value, cards, onChange }: Props<T>) {
  return (
    <RadioGroup className="radio-cards" value={value} onChange={chosen => onChange(chosen as T)}>
      <Label>{label}</Label>
      <div className="cards">
        {cards.map(card => (
          <Radio key={card.value} value={card.value} className="radio-card">
            <span className="radio-dot" aria-hidden />
            <span>
              <span className="radio-title">{card.title}</span>
              <span className="radio-text">{card.text}</span>
            </span>
          </Radio>
        ))}
      </div>
    </RadioGroup>
  );
}
