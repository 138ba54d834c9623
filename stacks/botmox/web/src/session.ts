/** Sign-in at the core; the backend takes the token it gives. */
import { createClient } from '@supabase/supabase-js';

const core = createClient(
  import.meta.env.VITE_SUPABASE_URL as string,
  import.meta.env.VITE_SUPABASE_ANON_KEY as string,
);

/** Call back with the address of who is signed in, now and whenever that changes. */
export function watchSession(onChange: (email: string | null) => void): () => void {
  const { data } = core.auth.onAuthStateChange((_event, session) => {
    onChange(session === null ? null : (session.user.email ?? ''));
  });
  return () => {
    data.subscription.unsubscribe();
  };
}

export async function accessToken(): Promise<string> {
  const { data } = await core.auth.getSession();
  return data.session?.access_token ?? '';
}

/** Sign in, or up; the message of what went wrong, null when nothing did. */
export async function enter(
  way: 'in' | 'up',
  email: string,
  password: string,
): Promise<string | null> {
  const given = { email, password };
  const { data, error } =
    way === 'in' ? await core.auth.signInWithPassword(given) : await core.auth.signUp(given);
  if (error !== null) return error.message;
  return data.session === null ? 'Follow the link in the mail we have sent, then sign in.' : null;
}

export async function leave(): Promise<void> {
  await core.auth.signOut();
}
