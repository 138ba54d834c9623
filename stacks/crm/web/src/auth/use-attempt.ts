/** One attempt at a time to get in: whether it is under way and why the last one failed. */
import { useState } from 'react';
import { toFailure, type Failure } from '../api/failure';

export interface Attempt {
  readonly busy: boolean;
  readonly failure: Failure | null;
  readonly run: (action: () => Promise<void>) => void;
}

export function useAttempt(): Attempt {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);

  async function attempt(action: () => Promise<void>) {
    setBusy(true);
    setFailure(null);
    try {
      await action();
    } catch (cause) {
      setFailure(toFailure(cause));
    } finally {
      setBusy(false);
    }
  }

  return {
    busy,
    failure,
    run: (action) => void attempt(action),
  };
}
