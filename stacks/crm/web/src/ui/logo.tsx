/** The mark: three columns of different heights. */
import styles from './logo.module.css';

export function Logo() {
  return (
    <span className={styles.logo}>
      <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="8" fill="var(--accent)" />
        <path d="M8 8h4v16H8zM14 8h4v11h-4zM20 8h4v6h-4z" fill="var(--on-accent)" />
      </svg>
      CRM
    </span>
  );
}
