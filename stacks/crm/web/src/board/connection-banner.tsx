/** Says when the board may be behind, and when it is so no longer. Silent when all is well. */
import { useEffect, useState } from 'react';
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
  /** The board is being read. */
  readonly reading: boolean;
  readonly onRetry: () => void;
}

const BACK_MS = 4000;

export function ConnectionBanner({
  online,
  live,
  failure,
  reading,
  onRetry,
}: ConnectionBannerProps) {
  const { t } = useI18n();
  const news = useNews(!online || live === 'lost' || failure?.kind === 'offline', reading);
  if (!news && !failure) return null;
  return (
    <div className={styles.banner} data-testid="connection">
      {news === 'back' && !failure ? (
        <Notice tone="info">{t('connection.back')}</Notice>
      ) : (
        <Notice tone={news === 'lost' ? 'warning' : 'danger'}>
          {news === 'lost' ? t('connection.lost') : failure && failureText(failure, t)}
          <Button onClick={onRetry}>{t('action.retry')}</Button>
        </Notice>
      )}
    </div>
  );
}

/** `lost` until the board was read again, then `back` for some seconds. */
function useNews(isCutOff: boolean, reading: boolean): 'lost' | 'back' | null {
  const [isOver, setIsOver] = useState(true);
  if (isCutOff && isOver) setIsOver(false);
  const isBack = !isOver && !isCutOff && !reading;
  useEffect(() => {
    if (!isBack) return;
    const timer = setTimeout(() => {
      setIsOver(true);
    }, BACK_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [isBack]);
  if (isBack) return 'back';
  return isCutOff || !isOver ? 'lost' : null;
}
