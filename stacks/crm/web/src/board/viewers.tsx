/** Small faces of the people who look at the board now. */
import type { Viewer } from '../api/live';
import { useI18n } from '../i18n/i18n';
import { Avatar } from '../ui/avatar';
import styles from './viewers.module.css';

const MAX_FACES = 4;

interface ViewersProps {
  readonly viewers: readonly Viewer[];
  readonly emails: ReadonlyMap<string, string>;
}

export function Viewers({ viewers, emails }: ViewersProps) {
  const { t } = useI18n();
  if (viewers.length === 0) return null;
  const rest = viewers.length - MAX_FACES;
  return (
    <ul className={styles.viewers} aria-label={t('viewers.label')} data-testid="viewers">
      {viewers.slice(0, MAX_FACES).map((viewer) => (
        <li key={viewer.userId}>
          <Avatar small name={emails.get(viewer.userId) ?? viewer.name} title={viewer.name} />
        </li>
      ))}
      {rest > 0 && <li className={styles.rest}>+{rest}</li>}
    </ul>
  );
}
