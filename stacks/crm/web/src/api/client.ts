/** The one supabase-js client of the page; everything in src/api goes through it. */
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { readEnv } from '../env';

type Values = Record<string, unknown>;

// eslint-disable-next-line @typescript-eslint/consistent-type-definitions -- supabase-js wants an index signature
type Relation = {
  Row: Values;
  Insert: Values;
  Update: Values;
  Relationships: [];
};

// Names and rows are declared in rows.ts and checked against the database by the acceptance tests.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions -- supabase-js wants an index signature
type AnyDatabase = {
  public: {
    Tables: Record<string, Relation>;
    Views: Record<string, Relation>;
    Functions: Record<string, { Args: Values; Returns: unknown }>;
  };
};

type Client = SupabaseClient<AnyDatabase>;

let client: Client | null = null;

/** @throws Error when the build has no address: main.tsx checks that before anything renders. */
export function api(): Client {
  client ??= connect();
  return client;
}

function connect(): Client {
  const env = readEnv(import.meta.env);
  if ('missing' in env) throw new Error(`${env.missing.join(', ')} is not set`);
  return createClient<AnyDatabase>(env.address.url, env.address.anonKey, {
    // With PKCE a link that somebody else reads is worth nothing: only this browser has the verifier.
    auth: {
      flowType: 'pkce',
      persistSession: true,
      autoRefreshToken: true,
      detectSessionInUrl: true,
    },
  });
}
