import type { LucideIcon } from 'lucide-react';
import { Button, type ButtonProps } from 'react-aria-components';
import { Tip } from './tip.tsx';

/** A button that is only a picture: its words are its name and its tooltip. */
export function IconButton({ icon: Icon, text, ...props }: ButtonProps & { icon: LucideIcon; text: string }) {
  return (
    <Tip text={text}>
      <Button {...props} className="button icon" aria-label={text}>
        <Icon size={16} aria-hidden />
      </Button>
    </Tip>
  );
}
