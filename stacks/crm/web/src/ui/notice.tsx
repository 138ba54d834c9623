/** A message in the flow of the page: something to know, to heed, or that failed. */
import type { ReactNode } from 'react';
import { classNames } from './class-names';
import styles from './notice.module.css';

interface NoticeProps {
  readonly tone: 'info' | 'warning' | 'danger';
  readonly children: ReactNode;
}

export function Notice({ tone, children }: NoticeProps) {
  return (
    <div
      role={tone === 'danger' ? 'alert' : 'status'}
      className={classNames(styles.notice, styles[tone])}
    >
      {children}
    </div>
  );
}
