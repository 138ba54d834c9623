/** The message of the backend's error form, else the status. */
export function messageOf(told: unknown, status: number): string {
  const error = (told as { error?: { message?: unknown } } | null)?.error;
  return typeof error?.message === 'string' ? error.message : `the server answered ${status}`;
}
