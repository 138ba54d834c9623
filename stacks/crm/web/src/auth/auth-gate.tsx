/** Shows the sign-in page until somebody is signed in; then the application, knowing who. */
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { watchSession, type Session } from '../api/session';
import { useI18n } from '../i18n/i18n';
import { Loading } from '../ui/page-state';
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
  return <MeContext value={me}>{children}</MeContext>;
}

function displayName(name: unknown, email: string): string {
  return typeof name === 'string' && name.trim() !== '' ? name.trim() : (email.split('@')[0] ?? '');
}
