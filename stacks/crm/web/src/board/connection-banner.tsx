/** Says when the board may be behind, and what happens about it. Silent when all is well. */
import type { Failure } from '../api/failure';
import type { LiveStatus } from '../api/live';
import { useI18n } from '../i18n/i18n';
import { Button } from '../ui/button';
import { failureText } from '../ui/failure-text';
import { Notice } from '../ui/notice';
import styles from './connection-banner.module.css';

interface ConnectionBannerProps {
  readonly online: boolean;
  readonly live: LiveStatus;
  readonly failure: Failure | null;
  readonly onRetry: () => void;
}

export function ConnectionBanner({ online, live, failure, onRetry }: ConnectionBannerProps) {
  const { t } = useI18n();
  if (online && live !== 'lost' && !failure) return null;
  const isCutOff = !online || live === 'lost' || failure?.kind === 'offline';
  return (
    <div className={styles.banner} data-testid="connection">
      <Notice tone={isCutOff ? 'warning' : 'danger'}>
        {isCutOff ? t('connection.lost') : failure && failureText(failure, t)}
        <Button onClick={onRetry}>{t('action.retry')}</Button>
      </Notice>
    </div>
  );
}
