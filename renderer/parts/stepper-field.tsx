/** A number with its unit, to be typed or stepped. */
import { Button, FieldError, Group, Input, Label, NumberField, Text } from 'react-aria-components';

interface Props {
  readonly label: string;
  readonly value: number;
  readonly minValue: number;
  readonly maxValue: number;
  readonly step?: number;
  readonly hint?: string;
  readonly isDisabled?: boolean;
  readonly isRequired?: boolean;
  readonly onChange: (value: number) => void;
}

export function StepperField({ label, hint, ...props }: Props) {
  return (
    <NumberField className="field" {...props}>
      <Label>{label}</Label>
      <Group className="stepper">
        <Button slot="decrement">−</Button>
        <Input />
        <Button slot="increment">+</Button>
      </Group>
      {hint === undefined ? null : <Text slot="description">{hint}</Text>}
      <FieldError />
    </NumberField>
  );
}
