/** One form, two ways in: an account that exists, or a new one. */
import { useState, type ReactNode, type SubmitEvent } from 'react';
import { toFailure } from '../api/failure';
import { signIn, signUp } from '../api/session';
import { useI18n } from '../i18n/i18n';
import { LanguageSwitch } from '../ui/language-switch';
import { Button } from '../ui/button';
import { failureText } from '../ui/failure-text';
import { TextField } from '../ui/field';
import { Logo } from '../ui/logo';
import { Notice } from '../ui/notice';
import styles from './sign-in-page.module.css';

const MIN_PASSWORD = 6;

export function SignInPage() {
  const { t } = useI18n();
  const [isNew, setIsNew] = useState(false);
  const [busy, setBusy] = useState(false);
  const [notice, setNotice] = useState<ReactNode>(null);

  async function submit(form: FormData) {
    setBusy(true);
    setNotice(null);
    const credentials = { email: text(form, 'email').trim(), password: text(form, 'password') };
    try {
      const mustConfirm = isNew
        ? await signUp(credentials, text(form, 'name'))
        : await signIn(credentials).then(() => false);
      if (mustConfirm) setNotice(<Notice tone="info">{t('auth.confirm')}</Notice>);
    } catch (cause) {
      setNotice(<Notice tone="danger">{failureText(toFailure(cause), t)}</Notice>);
    } finally {
      setBusy(false);
    }
  }

  function onSubmit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    void submit(new FormData(event.currentTarget));
  }

  return (
    <main className={styles.page}>
      <form className={styles.form} onSubmit={onSubmit} aria-labelledby="sign-in-title">
        <Logo />
        <div>
          <h1 id="sign-in-title" className={styles.title}>
            {t(isNew ? 'auth.signUpTitle' : 'auth.signInTitle')}
          </h1>
          <p className={styles.lead}>{t('auth.lead')}</p>
        </div>
        {isNew && <TextField label={t('auth.name')} name="name" autoComplete="name" required />}
        <TextField
          label={t('auth.email')}
          name="email"
          type="email"
          autoComplete="email"
          required
        />
        <TextField
          label={t('auth.password')}
          name="password"
          type="password"
          autoComplete={isNew ? 'new-password' : 'current-password'}
          minLength={isNew ? MIN_PASSWORD : undefined}
          hint={isNew ? t('auth.passwordHint', { count: MIN_PASSWORD }) : undefined}
          required
        />
        {notice}
        <Button look="primary" type="submit" busy={busy}>
          {t(isNew ? 'auth.signUp' : 'auth.signIn')}
        </Button>
        <p className={styles.other}>
          {t(isNew ? 'auth.haveAccount' : 'auth.noAccount')}{' '}
          <button
            type="button"
            className={styles.link}
            onClick={() => {
              setIsNew(!isNew);
              setNotice(null);
            }}
          >
            {t(isNew ? 'auth.toSignIn' : 'auth.toSignUp')}
          </button>
        </p>
      </form>
      <LanguageSwitch />
    </main>
  );
}

function text(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value : '';
}
