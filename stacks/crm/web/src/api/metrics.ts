/** The flow of a board, as the database computed it (views refreshed by cron). Days are UTC. */
import { rowsOf } from './answer';
import { api } from './client';
import { readAll } from './pages';
import type { Stage } from './rows';

export interface CfdRow {
  readonly day: string;
  readonly status: string;
  readonly stage: Stage;
  readonly count: number;
}

export interface BurndownRow {
  readonly day: string;
  readonly scope_cards: number;
  readonly remaining_cards: number;
  readonly scope_points: number;
  readonly remaining_points: number;
}

export interface VelocityRow {
  readonly week: string;
  readonly cards: number;
  readonly points: number;
}

export interface CycleRow {
  /** Of the card. */
  readonly id: string;
  readonly title: string;
  readonly done_at: string;
  readonly cycle_hours: number;
}

export interface Metrics {
  readonly cfd: readonly CfdRow[];
  readonly burndown: readonly BurndownRow[];
  readonly velocity: readonly VelocityRow[];
  readonly cycles: readonly CycleRow[];
}

/** @param since the first day, as YYYY-MM-DD */
export async function loadMetrics(boardId: string, since: string): Promise<Metrics> {
  const [cfd, burndown, velocity, cycles] = await Promise.all([
    rows<CfdRow>('cfd_daily', 'day,status,stage,count', boardId, ['day', since]),
    rows<BurndownRow>(
      'burndown',
      'day,scope_cards,remaining_cards,scope_points,remaining_points',
      boardId,
      ['day', since],
    ),
    rows<VelocityRow>('velocity', 'week,cards,points', boardId, ['week', since]),
    loadCycles(boardId, since),
  ]);
  return { cfd, burndown, velocity, cycles };
}

function rows<Row>(
  view: string,
  columns: string,
  boardId: string,
  [dayColumn, since]: readonly [string, string],
): Promise<Row[]> {
  return rowsOf<Row[]>(
    api().from(view).select(columns).eq('board_id', boardId).gte(dayColumn, since).order(dayColumn),
  );
}

async function loadCycles(boardId: string, since: string): Promise<CycleRow[]> {
  const found = await readAll<CycleRow>((after, limit) => {
    const query = api()
      .from('cycle_time')
      .select('id:card_id,title,done_at,cycle_hours', after ? {} : { count: 'exact' })
      .eq('board_id', boardId)
      .gte('done_at', since)
      .order('card_id')
      .limit(limit);
    return after ? query.gt('card_id', after) : query;
  });
  return found.sort((a, b) => a.done_at.localeCompare(b.done_at));
}
