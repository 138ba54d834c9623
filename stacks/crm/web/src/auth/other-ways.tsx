/** Below a form: the providers that the stack offers, and the way to the other form. */
import { useEffect, useState } from 'react';
import { offeredProviders, signInWith, type ProviderName } from '../api/session';
import { useI18n } from '../i18n/i18n';
import { Button } from '../ui/button';
import { failureText } from '../ui/failure-text';
import { Notice } from '../ui/notice';
import { LinkButton } from './entry-card';
import styles from './other-ways.module.css';
import { useAttempt } from './use-attempt';

interface OtherWaysProps {
  readonly question: string;
  readonly answer: string;
  readonly onOther: () => void;
}

export function OtherWays({ question, answer, onOther }: OtherWaysProps) {
  return (
    <>
      <Providers />
      <p className={styles.other}>
        {question} <LinkButton onClick={onOther}>{answer}</LinkButton>
      </p>
    </>
  );
}

function Providers() {
  const { t } = useI18n();
  const attempt = useAttempt();
  const [offered, setOffered] = useState<readonly [ProviderName, string][]>([]);
  useEffect(() => {
    let isShown = true;
    void offeredProviders().then((found) => {
      if (isShown) setOffered(found);
    });
    return () => {
      isShown = false;
    };
  }, []);
  if (offered.length === 0) return null;
  return (
    <div className={styles.providers}>
      {offered.map(([name, label]) => (
        <Button
          key={name}
          busy={attempt.busy}
          onClick={() => {
            attempt.run(() => signInWith(name));
          }}
        >
          {t('auth.with', { provider: label })}
        </Button>
      ))}
      {attempt.failure && <Notice tone="danger">{failureText(attempt.failure, t)}</Notice>}
    </div>
  );
}
