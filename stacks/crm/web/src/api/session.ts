/** Sign in, sign up, sign out, and news of the session. */
import type { Session } from '@supabase/supabase-js';
import { api } from './client';
import { Failure, toFailure } from './failure';

export type { Session };

export interface Credentials {
  readonly email: string;
  readonly password: string;
}

export async function signIn(credentials: Credentials): Promise<void> {
  const { error } = await api().auth.signInWithPassword(credentials);
  if (error) throw toFailure(error);
}

/** @returns true when the address has to be confirmed by e-mail before the first sign-in. */
export async function signUp(credentials: Credentials, name: string): Promise<boolean> {
  const { data, error } = await api().auth.signUp({
    ...credentials,
    options: { data: { name: name.trim() } },
  });
  if (error) throw toFailure(error);
  // GoTrue hides that an address is taken: it answers a user without identities and without a session.
  if (!data.session && data.user?.identities?.length === 0) {
    throw new Failure('user_exists', 'User already registered');
  }
  return data.session === null;
}

export async function signOut(): Promise<void> {
  // Local scope works without the server, so that a person can always leave this browser.
  await api().auth.signOut({ scope: 'local' });
}

/** Calls back with the stored session first, then on each change; returns how to stop. */
export function watchSession(report: (session: Session | null) => void): () => void {
  const { data } = api().auth.onAuthStateChange((_event, session) => {
    report(session);
  });
  return () => {
    data.subscription.unsubscribe();
  };
}
