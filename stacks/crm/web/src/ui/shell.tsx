/** The frame around every page: which board, which view of it, which language, who. */
import { useState, type ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import type { BoardRow } from '../api/rows';
import { signOut } from '../api/session';
import { AccountDialog } from '../auth/account-dialog';
import { useMe } from '../auth/session-context';
import { useI18n } from '../i18n/i18n';
import { Avatar } from './avatar';
import { Button } from './button';
import { Icon, type IconName } from './icon';
import { LanguageSwitch } from './language-switch';
import { Logo } from './logo';
import styles from './shell.module.css';

type Page = 'board' | 'metrics';

interface ShellProps {
  readonly boards: readonly BoardRow[];
  readonly board?: BoardRow;
  readonly page?: Page;
  readonly children: ReactNode;
}

export function Shell({ boards, board, page, children }: ShellProps) {
  const { t } = useI18n();
  const me = useMe();
  const [account, setAccount] = useState(false);
  return (
    <div className={styles.shell}>
      <header className={styles.header}>
        <Link href="/" className={styles.home} aria-label={t('nav.home')}>
          <Logo />
        </Link>
        {board && <BoardChooser boards={boards} current={board.id} />}
        {board && (
          <nav className={styles.nav} aria-label={t('nav.views')}>
            <Tab href={`/boards/${board.id}`} icon="board" isCurrent={page === 'board'}>
              {t('nav.board')}
            </Tab>
            <Tab href={`/boards/${board.id}/metrics`} icon="chart" isCurrent={page === 'metrics'}>
              {t('nav.metrics')}
            </Tab>
          </nav>
        )}
        <div className={styles.end}>
          <LanguageSwitch />
          <button
            type="button"
            className={styles.account}
            aria-label={t('account.open', { email: me.email })}
            onClick={() => {
              setAccount(true);
            }}
          >
            <Avatar name={me.email} />
          </button>
          <Button
            look="quiet"
            square
            aria-label={t('auth.signOut')}
            title={t('auth.signOut')}
            onClick={() => void signOut()}
          >
            <Icon name="exit" />
          </Button>
        </div>
      </header>
      <main className={styles.main}>{children}</main>
      {account && (
        <AccountDialog
          onClose={() => {
            setAccount(false);
          }}
        />
      )}
    </div>
  );
}

function BoardChooser({ boards, current }: { boards: readonly BoardRow[]; current: string }) {
  const { t } = useI18n();
  const [, navigate] = useLocation();
  return (
    <select
      className={styles.chooser}
      aria-label={t('nav.chooseBoard')}
      value={current}
      onChange={(event) => {
        navigate(event.target.value === '' ? '/' : `/boards/${event.target.value}`);
      }}
    >
      {boards.map((board) => (
        <option key={board.id} value={board.id}>
          {board.name}
        </option>
      ))}
      <option value="">{t('nav.allBoards')}</option>
    </select>
  );
}

interface TabProps {
  readonly href: string;
  readonly icon: IconName;
  readonly isCurrent: boolean;
  readonly children: ReactNode;
}

function Tab({ href, icon, isCurrent, children }: TabProps) {
  return (
    <Link href={href} className={styles.tab} aria-current={isCurrent ? 'page' : undefined}>
      <Icon name={icon} />
      {children}
    </Link>
  );
}
