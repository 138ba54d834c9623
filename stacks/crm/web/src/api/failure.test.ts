import { describe, expect, it } from 'vitest';
import { toViewers } from './live';
import { Failure, toFailure, wipRefusal } from './failure';
import { readAll } from './pages';
import { readEnv } from '../env';

describe('toFailure', () => {
  it.each([
    [{ code: 'PT409', message: 'WIP limit reached' }, 'wip_limit'],
    [{ code: 'PT404', message: 'No such card' }, 'missing'],
    [{ code: '42501', message: 'permission denied' }, 'forbidden'],
    [{ code: 'PGRST303', message: 'JWT expired' }, 'unauthorised'],
    [{ statusCode: '413', message: 'The object exceeded the maximum allowed size' }, 'too_large'],
    [{ statusCode: '415', code: 'InvalidMimeType', message: 'not supported' }, 'wrong_type'],
    [{ statusCode: '403', error: 'Unauthorized', message: 'new row violates' }, 'forbidden'],
    [{ code: '', message: 'TypeError: Failed to fetch' }, 'offline'],
    [{ message: 'Failed to fetch', status: 0 }, 'offline'],
    [{ code: 'PGRST000', message: 'Database connection error.' }, 'offline'],
    [{ code: '57P01', message: 'terminating connection' }, 'offline'],
    [
      { code: 'invalid_credentials', message: 'Invalid login credentials', status: 400 },
      'credentials',
    ],
    [{ message: 'strange' }, 'unknown'],
    ['a text', 'unknown'],
  ])('knows %j as %s', (cause, kind) => {
    expect(toFailure(cause).kind).toBe(kind);
  });

  it('takes the status that stands beside the error', () => {
    expect(toFailure({ message: 'Bad gateway' }, 502).kind).toBe('offline');
  });

  it('leaves a Failure as it is', () => {
    const failure = new Failure('conflict', 'x');
    expect(toFailure(failure)).toBe(failure);
  });
});

describe('wipRefusal', () => {
  const refused = { code: 'PT409', message: 'full' };

  it('reads which column was full', () => {
    const details = JSON.stringify({ column: 'Review', key: 'review', limit: 3 });
    expect(wipRefusal(toFailure({ ...refused, details }))).toEqual({ column: 'Review', limit: 3 });
  });

  it.each([['not json'], ['{}'], [null]])('is null for details of %s', (details) => {
    expect(wipRefusal(toFailure({ ...refused, details }))).toBeNull();
  });
});

describe('readAll', () => {
  const all = Array.from({ length: 2300 }, (_, index) => ({ id: String(index).padStart(5, '0') }));

  function server(maxRows: number) {
    return (after: string | null, limit: number) => {
      const rest = all.filter((row) => after === null || row.id > after);
      const data = rest.slice(0, Math.min(limit, maxRows));
      return Promise.resolve({
        data,
        count: after === null ? all.length : null,
        error: null,
        status: 200,
      });
    };
  }

  it.each([1000, 300])('reads all rows from a server that gives %i at most', async (maxRows) => {
    expect(await readAll(server(maxRows))).toEqual(all);
  });

  it('ends when rows were deleted meanwhile', async () => {
    const read = (after: string | null) =>
      Promise.resolve({
        data: after === null ? all.slice(0, 2) : [],
        count: 5,
        error: null,
        status: 200,
      });
    expect(await readAll(read)).toHaveLength(2);
  });

  it('throws what the server refused', async () => {
    const error = { code: '42501', message: 'permission denied' };
    const read = () => Promise.resolve({ data: null, count: null, error, status: 403 });
    await expect(readAll(read)).rejects.toMatchObject({ kind: 'forbidden' });
  });
});

describe('toViewers', () => {
  it('counts a person with two windows once', () => {
    const ada = { userId: 'u1', name: 'Ada' };
    const state = { u2: [{ userId: 'u2', name: 'Grace' }], u1: [ada, ada] };
    expect(toViewers(state).map(({ name }) => name)).toEqual(['Ada', 'Grace']);
  });
});

describe('readEnv', () => {
  it('names what is missing', () => {
    expect(readEnv({ VITE_SUPABASE_URL: ' ' })).toEqual({
      missing: ['VITE_SUPABASE_URL', 'VITE_SUPABASE_ANON_KEY'],
    });
  });
});
