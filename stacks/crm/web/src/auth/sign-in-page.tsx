/** The ways in: a password, a mailed link, a provider; or a new account. */
import { useState } from 'react';
import { mailLink, signIn, takeRefusal } from '../api/session';
import { useI18n } from '../i18n/i18n';
import { Button } from '../ui/button';
import { failureText } from '../ui/failure-text';
import { TextField } from '../ui/field';
import { Notice } from '../ui/notice';
import { textOf } from './code-field';
import { EntryCard } from './entry-card';
import { LinkSentPage } from './link-sent-page';
import { OtherWays } from './other-ways';
import { SignUpPage } from './sign-up-page';
import { useAttempt } from './use-attempt';

export function SignInPage() {
  const [isNew, setIsNew] = useState(false);
  const [mailed, setMailed] = useState<string | null>(null);

  if (mailed) {
    return (
      <LinkSentPage
        email={mailed}
        onBack={() => {
          setMailed(null);
        }}
      />
    );
  }
  function change() {
    setIsNew(!isNew);
  }
  return isNew ? (
    <SignUpPage onSignIn={change} />
  ) : (
    <PasswordPage onSignUp={change} onMailed={setMailed} />
  );
}

interface PasswordPageProps {
  readonly onSignUp: () => void;
  readonly onMailed: (email: string) => void;
}

function PasswordPage({ onSignUp, onMailed }: PasswordPageProps) {
  const { t } = useI18n();
  const attempt = useAttempt();
  const [refusal] = useState(takeRefusal);
  const [email, setEmail] = useState('');

  function mail() {
    attempt.run(async () => {
      await mailLink(email.trim());
      onMailed(email.trim());
    });
  }

  return (
    <EntryCard
      title={t('auth.signInTitle')}
      lead={t('auth.lead')}
      onSubmit={(form) => {
        attempt.run(() => signIn({ email: email.trim(), password: textOf(form, 'password') }));
      }}
      below={
        <OtherWays question={t('auth.noAccount')} answer={t('auth.toSignUp')} onOther={onSignUp} />
      }
    >
      <TextField
        label={t('auth.email')}
        name="email"
        type="email"
        autoComplete="email"
        value={email}
        onChange={(event) => {
          setEmail(event.target.value);
        }}
        required
      />
      <TextField
        label={t('auth.password')}
        name="password"
        type="password"
        autoComplete="current-password"
        required
      />
      {attempt.failure && <Notice tone="danger">{failureText(attempt.failure, t)}</Notice>}
      {refusal && !attempt.failure && (
        <Notice tone="danger">{t('auth.refused', { reason: refusal })}</Notice>
      )}
      <Button look="primary" type="submit" busy={attempt.busy}>
        {t('auth.signIn')}
      </Button>
      <Button
        busy={attempt.busy}
        onClick={(event) => {
          // The address alone is enough here, so the form as a whole is not asked.
          const field = event.currentTarget.form?.elements.namedItem('email');
          if (field instanceof HTMLInputElement && field.reportValidity()) mail();
        }}
      >
        {t('auth.mailLink')}
      </Button>
    </EntryCard>
  );
}
