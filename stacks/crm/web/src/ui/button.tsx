/** The one button: a primary action, a plain one, a quiet one, a dangerous one. */
import type { ComponentProps } from 'react';
import styles from './button.module.css';
import { classNames } from './class-names';

interface ButtonProps extends ComponentProps<'button'> {
  readonly look?: 'primary' | 'plain' | 'quiet' | 'danger';
  readonly square?: boolean;
  readonly busy?: boolean;
}

export function Button({ look = 'plain', square = false, busy = false, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      aria-busy={busy || undefined}
      disabled={busy || rest.disabled}
      className={classNames(styles.button, styles[look], square && styles.square, rest.className)}
    />
  );
}
