/** After a link was mailed: it is opened in this browser, or its code is typed here. */
import { enterCode } from '../api/session';
import { useI18n } from '../i18n/i18n';
import { Button } from '../ui/button';
import { failureText } from '../ui/failure-text';
import { Notice } from '../ui/notice';
import { CodeField, codeOf } from './code-field';
import { EntryCard, LinkButton } from './entry-card';
import { useAttempt } from './use-attempt';

export function LinkSentPage({ email, onBack }: { email: string; onBack: () => void }) {
  const { t } = useI18n();
  const attempt = useAttempt();
  return (
    <EntryCard
      title={t('auth.linkSentTitle')}
      lead={t('auth.linkSent', { email })}
      onSubmit={(form) => {
        attempt.run(() => enterCode(email, codeOf(form, 'code')));
      }}
      below={<LinkButton onClick={onBack}>{t('auth.back')}</LinkButton>}
    >
      <CodeField name="code" />
      {attempt.failure && <Notice tone="danger">{failureText(attempt.failure, t)}</Notice>}
      <Button look="primary" type="submit" busy={attempt.busy}>
        {t('auth.enterCode')}
      </Button>
    </EntryCard>
  );
}
