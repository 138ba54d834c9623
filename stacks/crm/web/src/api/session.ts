/** Every way in, the way out, and news of the session. */
import type { Provider, Session } from '@supabase/supabase-js';
import { readEnv } from '../env';
import { api } from './client';
import { Failure, toFailure } from './failure';

export type { Session };

export interface Credentials {
  readonly email: string;
  readonly password: string;
}

/** Providers that have a button when the stack offers them, by GoTrue's names. */
const PROVIDERS = { github: 'GitHub', google: 'Google', gitlab: 'GitLab', keycloak: 'Keycloak' };
export type ProviderName = keyof typeof PROVIDERS & Provider;

export async function signIn(credentials: Credentials): Promise<void> {
  const { error } = await api().auth.signInWithPassword(credentials);
  if (error) throw toFailure(error);
}

/** @returns true when the address has to be confirmed by e-mail before the first sign-in. */
export async function signUp(credentials: Credentials, name: string): Promise<boolean> {
  const { data, error } = await api().auth.signUp({
    ...credentials,
    options: { data: { name: name.trim() }, emailRedirectTo: here() },
  });
  if (error) throw toFailure(error);
  // GoTrue hides that an address is taken: it answers a user without identities and without a session.
  if (!data.session && data.user?.identities?.length === 0) {
    throw new Failure('user_exists', 'User already registered');
  }
  return data.session === null;
}

/** Mails a link that signs in, and a code for whoever reads mail on another device. */
export async function mailLink(email: string): Promise<void> {
  const { error } = await api().auth.signInWithOtp({
    email,
    options: { emailRedirectTo: here() },
  });
  if (error) throw toFailure(error);
}

export async function enterCode(email: string, token: string): Promise<void> {
  const { error } = await api().auth.verifyOtp({ email, token, type: 'email' });
  if (error) throw toFailure(error);
}

/** Leaves the page; the session is there when the provider sends the person back. */
export async function signInWith(provider: ProviderName): Promise<void> {
  const { error } = await api().auth.signInWithOAuth({ provider, options: { redirectTo: here() } });
  if (error) throw toFailure(error);
}

/** Which providers the stack offers; none when it cannot be asked, for the password form is enough. */
export async function offeredProviders(): Promise<readonly [ProviderName, string][]> {
  const env = readEnv(import.meta.env);
  if ('missing' in env) return [];
  try {
    const answer = await fetch(`${env.address.url}/auth/v1/settings`, {
      headers: { apikey: env.address.anonKey },
    });
    const { external } = (await answer.json()) as { external?: Record<string, boolean> };
    const names = Object.entries(PROVIDERS) as [ProviderName, string][];
    return names.filter(([name]) => external?.[name] === true);
  } catch {
    return [];
  }
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

/** Why a link or a provider led back without a session; the words are removed from the address. */
export function takeRefusal(): string | null {
  const found =
    new URLSearchParams(location.hash.slice(1)).get('error_description') ??
    new URLSearchParams(location.search).get('error_description');
  if (found !== null) history.replaceState(null, '', location.pathname);
  return found;
}

function here(): string {
  return `${location.origin}/`;
}
