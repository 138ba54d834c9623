/** Takes the rows out of what supabase-js answers, or throws the Failure. */
import { toFailure } from './failure';

interface Answer {
  readonly data: unknown;
  readonly error: unknown;
  readonly status: number;
}

/** The client knows no schema: what a call returns is declared here, by the row types of rows.ts. */
export async function rowsOf<Rows>(call: PromiseLike<Answer>): Promise<Rows> {
  const { data, error, status } = await call;
  if (error) throw toFailure(error, status);
  return data as Rows;
}
