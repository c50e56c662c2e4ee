import { Check } from 'lucide-react';

/** The box of a Checkbox; its colour follows the checkbox's state. */
export function CheckMark() {
  return (
    <span className="check-box">
      <Check size={12} strokeWidth={3} aria-hidden />
    </span>
  );
}
