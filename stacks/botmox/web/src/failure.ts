/** What went wrong, in words for the person at the page. */

interface Detail {
  where?: unknown;
  problem?: unknown;
}

/** The message of the backend's error form with its details, else the status. */
export function messageOf(told: unknown, status: number): string {
  const error = (told as { error?: { message?: unknown; details?: unknown } } | null)?.error;
  if (typeof error?.message !== 'string') return `the server answered ${status}`;
  const details = Array.isArray(error.details) ? (error.details as Detail[]).map(detailText) : [];
  return details.length > 0 ? `${error.message}: ${details.join('; ')}` : error.message;
}

/** `body.name` and `String should have ...` as `name: string should have ...`. */
function detailText({ where, problem }: Detail): string {
  const field = String(where).split('.').slice(1).join('.');
  const text = String(problem);
  return `${field}: ${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
