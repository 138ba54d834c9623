/** Who is signed in, for every component below AuthGate. */
import { createContext, use } from 'react';

export interface Me {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

export const MeContext = createContext<Me | null>(null);

export function useMe(): Me {
  const me = use(MeContext);
  if (!me) throw new Error('useMe needs AuthGate above it');
  return me;
}
