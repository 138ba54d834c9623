/** What stands in the place of content: loading, empty, failed. */
import type { ReactNode } from 'react';
import styles from './page-state.module.css';

interface PageStateProps {
  readonly title: string;
  readonly detail?: string | undefined;
  readonly failed?: boolean;
  readonly children?: ReactNode;
}

export function PageState({ title, detail, failed = false, children }: PageStateProps) {
  return (
    <div className={styles.state} role={failed ? 'alert' : undefined}>
      <h2 className={styles.title}>{title}</h2>
      {detail && <p className={styles.detail}>{detail}</p>}
      {children && <div className={styles.actions}>{children}</div>}
    </div>
  );
}

export function Loading({ label }: { label: string }) {
  return (
    <div className={styles.state} role="status">
      <span className={styles.spinner} aria-hidden="true" />
      <p className={styles.detail}>{label}</p>
    </div>
  );
}
