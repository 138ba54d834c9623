/** Between the first proof and the board, for whoever has a second factor. */
import { proveFactor } from '../api/second-factor';
import { signOut } from '../api/session';
import { useI18n } from '../i18n/i18n';
import { Button } from '../ui/button';
import { failureText } from '../ui/failure-text';
import { Notice } from '../ui/notice';
import { CodeField, codeOf } from './code-field';
import { EntryCard, LinkButton } from './entry-card';
import { useAttempt } from './use-attempt';

export function SecondFactorPage({ email }: { email: string }) {
  const { t } = useI18n();
  const attempt = useAttempt();
  return (
    <EntryCard
      title={t('auth.factorTitle')}
      lead={t('auth.factorLead', { email })}
      onSubmit={(form) => {
        attempt.run(() => proveFactor(codeOf(form, 'code')));
      }}
      below={
        <LinkButton
          onClick={() => {
            void signOut();
          }}
        >
          {t('auth.signOut')}
        </LinkButton>
      }
    >
      <CodeField name="code" />
      {attempt.failure && <Notice tone="danger">{failureText(attempt.failure, t)}</Notice>}
      <Button look="primary" type="submit" busy={attempt.busy}>
        {t('auth.enterCode')}
      </Button>
    </EntryCard>
  );
}
