/**
 * Reads a table that may hold more rows than the server gives in one answer (its max_rows).
 * Pages follow the id, not an offset: a row that moves in the order meanwhile is neither lost nor doubled.
 */
import { toFailure } from './failure';

const PAGE_ROWS = 1000;

interface Page {
  readonly data: unknown;
  readonly count: number | null;
  readonly error: unknown;
  readonly status: number;
}

/**
 * `read` asks for at most `limit` rows whose id is above `after`, ordered by id; for the first page
 * (`after` null) it also asks for the exact count, which says when all rows are here.
 */
export async function readAll<Row extends { readonly id: string }>(
  read: (after: string | null, limit: number) => PromiseLike<Page>,
): Promise<Row[]> {
  const rows: Row[] = [];
  let total = Number.POSITIVE_INFINITY;
  let after: string | null = null;
  do {
    const page: Page = await read(after, PAGE_ROWS);
    if (page.error) throw toFailure(page.error, page.status);
    const data = (page.data ?? []) as Row[];
    if (after === null) total = page.count ?? data.length;
    if (data.length === 0) break;
    rows.push(...data);
    after = data.at(-1)?.id ?? null;
  } while (rows.length < total);
  return rows;
}
