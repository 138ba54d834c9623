/** A label as a small chip; its colour follows from its text. */
import type { CSSProperties } from 'react';
import { hueOf } from '../ui/initials';
import styles from './label.module.css';

export function Label({ text }: { text: string }) {
  return (
    <span className={styles.label} style={{ '--hue': hueOf(text) } as CSSProperties}>
      {text}
    </span>
  );
}
