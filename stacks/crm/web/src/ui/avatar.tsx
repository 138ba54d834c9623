/** A person as two letters on a colour that is always the same for the same name. */
import type { CSSProperties } from 'react';
import { classNames } from './class-names';
import styles from './avatar.module.css';
import { hueOf, initials } from './initials';

interface AvatarProps {
  readonly name: string;
  readonly title?: string;
  readonly small?: boolean;
}

export function Avatar({ name, title = name, small = false }: AvatarProps) {
  const hue = { '--hue': hueOf(name) } as CSSProperties;
  return (
    <span
      role="img"
      aria-label={title}
      title={title}
      style={hue}
      className={classNames(styles.avatar, small && styles.small)}
    >
      {initials(name)}
    </span>
  );
}
