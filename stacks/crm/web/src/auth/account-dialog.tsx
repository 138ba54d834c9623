/** Who I am here, and my second factor: set up, shown, removed. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type SubmitEvent } from 'react';
import { toFailure } from '../api/failure';
import {
  confirmFactor,
  loadFactors,
  removeFactor,
  startFactor,
  type NewFactor,
} from '../api/second-factor';
import { useI18n } from '../i18n/i18n';
import { keys } from '../state/query';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { failureText } from '../ui/failure-text';
import { Notice } from '../ui/notice';
import styles from './account-dialog.module.css';
import { CodeField, codeOf } from './code-field';
import { useMe } from './session-context';

export function AccountDialog({ onClose }: { onClose: () => void }) {
  const { t } = useI18n();
  const me = useMe();
  const client = useQueryClient();
  const [started, setStarted] = useState<NewFactor | null>(null);
  const factors = useQuery({ queryKey: keys.factors, queryFn: loadFactors });
  const reload = () => client.invalidateQueries({ queryKey: keys.factors });
  const done = async () => {
    await reload();
    setStarted(null);
  };
  const start = useMutation({ mutationFn: startFactor, onSuccess: setStarted });
  const remove = useMutation({ mutationFn: removeFactor, onSuccess: reload });
  const error = factors.error ?? start.error ?? remove.error;
  const [factor] = factors.data ?? [];
  return (
    <Dialog title={t('account.title')} onClose={onClose}>
      <div className={styles.body}>
        <p className={styles.person}>{me.email}</p>
        <section className={styles.section} aria-label={t('account.factor')}>
          <h3 className={styles.heading}>{t('account.factor')}</h3>
          {factor && (
            <>
              <p>{t('account.factorOn')}</p>
              <Button
                look="danger"
                busy={remove.isPending}
                onClick={() => {
                  remove.mutate(factor.id);
                }}
              >
                {t('account.removeFactor')}
              </Button>
            </>
          )}
          {factors.data && !factor && !started && (
            <>
              <p className={styles.lead}>{t('account.factorOff')}</p>
              <Button
                busy={start.isPending}
                onClick={() => {
                  // A name of its own, because one that was begun and left behind may still be there.
                  start.mutate(`CRM ${new Date().toISOString()}`);
                }}
              >
                {t('account.addFactor')}
              </Button>
            </>
          )}
          {started && !factor && <Setup factor={started} onDone={done} />}
          {error && <Notice tone="danger">{failureText(toFailure(error), t)}</Notice>}
        </section>
      </div>
    </Dialog>
  );
}

function Setup({ factor, onDone }: { factor: NewFactor; onDone: () => Promise<void> }) {
  const { t } = useI18n();
  const confirm = useMutation({
    mutationFn: (code: string) => confirmFactor(factor.id, code),
    onSuccess: onDone,
  });
  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    confirm.mutate(codeOf(new FormData(event.currentTarget), 'code'));
  }
  return (
    <form className={styles.section} onSubmit={submit}>
      <p className={styles.lead}>{t('account.scan')}</p>
      <img className={styles.image} src={factor.image} alt={t('account.image')} />
      <p className={styles.lead}>
        {t('account.secret')} <code className={styles.secret}>{factor.secret}</code>
      </p>
      <CodeField name="code" />
      {confirm.error && <Notice tone="danger">{failureText(toFailure(confirm.error), t)}</Notice>}
      <Button look="primary" type="submit" busy={confirm.isPending}>
        {t('account.confirmFactor')}
      </Button>
    </form>
  );
}
