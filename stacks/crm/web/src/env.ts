/** Where the stack is: two public values that Vite writes into the build. */

export interface StackAddress {
  readonly url: string;
  readonly anonKey: string;
}

/** The names of the build-time values that are missing, and the address when none is. */
export function readEnv(
  env: Readonly<Record<string, unknown>>,
): { readonly address: StackAddress } | { readonly missing: readonly string[] } {
  const url = text(env.VITE_SUPABASE_URL);
  const anonKey = text(env.VITE_SUPABASE_ANON_KEY);
  if (url && anonKey) return { address: { url, anonKey } };
  return {
    missing: [
      ...(url ? [] : ['VITE_SUPABASE_URL']),
      ...(anonKey ? [] : ['VITE_SUPABASE_ANON_KEY']),
    ],
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}
