/** Shows the sign-in page until somebody is signed in; then the application, knowing who. */
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { needsCode } from '../api/second-factor';
import { watchSession, type Session } from '../api/session';
import { useI18n } from '../i18n/i18n';
import { Loading } from '../ui/page-state';
import { SecondFactorPage } from './second-factor-page';
import { MeContext, type Me } from './session-context';
import { SignInPage } from './sign-in-page';

interface AuthGateProps {
  readonly onUserChange: () => void;
  readonly children: ReactNode;
}

export function AuthGate({ onUserChange, children }: AuthGateProps) {
  const { t } = useI18n();
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  useEffect(() => watchSession(setSession), []);
  const asks = useNeedsCode(session);

  const user = session?.user;
  const userId = user?.id;
  const email = user?.email ?? '';
  const name = displayName(user?.user_metadata.name, email);
  const me = useMemo<Me | null>(
    () => (userId ? { id: userId, email, name } : null),
    [userId, email, name],
  );

  // What one person has loaded must never be shown to the next one on the same computer.
  useEffect(() => onUserChange, [userId, onUserChange]);

  if (session === undefined) return <Loading label={t('state.loading')} />;
  if (!me) return <SignInPage />;
  if (asks === undefined) return <Loading label={t('state.loading')} />;
  if (asks) return <SecondFactorPage email={email} />;
  return <MeContext value={me}>{children}</MeContext>;
}

/** Whether a code is still to be asked for; undefined until that is known. */
function useNeedsCode(session: Session | null | undefined): boolean | undefined {
  const [known, setKnown] = useState<{ token: string; asks: boolean }>();
  useEffect(() => {
    let isCurrent = true;
    if (session) {
      const token = session.access_token;
      // What cannot be found out is asked for: the server decides in the end, by the token.
      const asked = needsCode(session).catch(() => true);
      void asked.then((asks) => {
        if (isCurrent) setKnown({ token, asks });
      });
    }
    return () => {
      isCurrent = false;
    };
  }, [session]);
  // A refreshed token of somebody who was let in must not blank the board meanwhile.
  if (known?.token === session?.access_token) return known?.asks;
  return known?.asks === false ? false : undefined;
}

function displayName(name: unknown, email: string): string {
  return typeof name === 'string' && name.trim() !== '' ? name.trim() : (email.split('@')[0] ?? '');
}
