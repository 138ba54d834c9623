/** The card in the middle of the page before anybody is in: logo, title, form, language. */
import type { ReactNode, SubmitEvent } from 'react';
import { LanguageSwitch } from '../ui/language-switch';
import { Logo } from '../ui/logo';
import styles from './entry-card.module.css';

interface EntryCardProps {
  readonly title: string;
  readonly lead: string;
  readonly onSubmit: (form: FormData) => void;
  readonly children: ReactNode;
  readonly below?: ReactNode;
}

export function EntryCard({ title, lead, onSubmit, children, below }: EntryCardProps) {
  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    onSubmit(new FormData(event.currentTarget));
  }
  return (
    <main className={styles.page}>
      <section className={styles.card} aria-labelledby="entry-title">
        <Logo />
        <div>
          <h1 id="entry-title" className={styles.title}>
            {title}
          </h1>
          <p className={styles.lead}>{lead}</p>
        </div>
        <form className={styles.form} onSubmit={submit} aria-labelledby="entry-title">
          {children}
        </form>
        {below}
      </section>
      <LanguageSwitch />
    </main>
  );
}

export function LinkButton({ onClick, children }: { onClick: () => void; children: ReactNode }) {
  return (
    <button type="button" className={styles.link} onClick={onClick}>
      {children}
    </button>
  );
}
