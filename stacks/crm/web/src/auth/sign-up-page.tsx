/** A new account with a password. */
import { useState } from 'react';
import { signUp } from '../api/session';
import { useI18n } from '../i18n/i18n';
import { Button } from '../ui/button';
import { failureText } from '../ui/failure-text';
import { TextField } from '../ui/field';
import { Notice } from '../ui/notice';
import { textOf } from './code-field';
import { EntryCard } from './entry-card';
import { OtherWays } from './other-ways';
import { useAttempt } from './use-attempt';

const MIN_PASSWORD = 6;

export function SignUpPage({ onSignIn }: { onSignIn: () => void }) {
  const { t } = useI18n();
  const attempt = useAttempt();
  const [mustConfirm, setMustConfirm] = useState(false);

  function submit(form: FormData) {
    const credentials = { email: textOf(form, 'email').trim(), password: textOf(form, 'password') };
    attempt.run(async () => {
      setMustConfirm(await signUp(credentials, textOf(form, 'name')));
    });
  }

  return (
    <EntryCard
      title={t('auth.signUpTitle')}
      lead={t('auth.lead')}
      onSubmit={submit}
      below={
        <OtherWays
          question={t('auth.haveAccount')}
          answer={t('auth.toSignIn')}
          onOther={onSignIn}
        />
      }
    >
      <TextField label={t('auth.name')} name="name" autoComplete="name" required />
      <TextField label={t('auth.email')} name="email" type="email" autoComplete="email" required />
      <TextField
        label={t('auth.password')}
        name="password"
        type="password"
        autoComplete="new-password"
        minLength={MIN_PASSWORD}
        hint={t('auth.passwordHint', { count: MIN_PASSWORD })}
        required
      />
      {mustConfirm && <Notice tone="info">{t('auth.confirm')}</Notice>}
      {attempt.failure && <Notice tone="danger">{failureText(attempt.failure, t)}</Notice>}
      <Button look="primary" type="submit" busy={attempt.busy}>
        {t('auth.signUp')}
      </Button>
    </EntryCard>
  );
}
