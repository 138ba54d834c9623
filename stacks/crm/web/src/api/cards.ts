/** The cards of a board: read all that are not archived, and the four ways to change them. */
import { rowsOf } from './answer';
import { api } from './client';
import { readAll } from './pages';
import {
  CARD_COLUMNS,
  COLUMN_COLUMNS,
  TASK_COLUMNS,
  type CardRow,
  type ColumnRow,
  type TaskDraft,
  type TaskRow,
} from './rows';

export interface CardWithTask extends CardRow {
  readonly task: TaskRow | null;
}

export interface Place {
  readonly columnId: string;
  /** Among the live cards of the column without the moved one; null is the end. */
  readonly index: number | null;
}

export function loadColumns(boardId: string): Promise<ColumnRow[]> {
  return rowsOf<ColumnRow[]>(
    api()
      .from('column')
      .select(COLUMN_COLUMNS)
      .eq('board_id', boardId)
      .order('position')
      .order('id'),
  );
}

export function loadCards(boardId: string, signal: AbortSignal): Promise<CardWithTask[]> {
  return readAll<CardWithTask>((after, limit) => {
    const query = api()
      .from('card')
      .select(`${CARD_COLUMNS},task(${TASK_COLUMNS})`, after ? {} : { count: 'exact' })
      .eq('board_id', boardId)
      .eq('archived', false)
      .order('id')
      .limit(limit)
      .abortSignal(signal);
    return after ? query.gt('id', after) : query;
  });
}

export function loadTasks(taskIds: readonly string[]): Promise<TaskRow[]> {
  return rowsOf<TaskRow[]>(api().from('task').select(TASK_COLUMNS).in('id', taskIds));
}

export async function loadDescription(taskId: string): Promise<string> {
  const task = await rowsOf<{ description: string | null }>(
    api().from('task').select('description').eq('id', taskId).single(),
  );
  return task.description ?? '';
}

export function createCard(columnId: string, draft: TaskDraft): Promise<CardRow> {
  return rowsOf<CardRow>(api().rpc('create_card', { column_id: columnId, ...toRow(draft) }));
}

export function moveCard(cardId: string, place: Place): Promise<CardRow> {
  return rowsOf<CardRow>(
    api().rpc('move_card', {
      card_id: cardId,
      column_id: place.columnId,
      position: place.index,
    }),
  );
}

export function archiveCard(cardId: string, archived: boolean): Promise<CardRow> {
  return rowsOf<CardRow>(api().rpc('archive_card', { card_id: cardId, archived }));
}

/** Writes only the fields that are given. */
export function updateTask(taskId: string, patch: Partial<TaskDraft>): Promise<TaskRow> {
  return rowsOf<TaskRow>(
    api().from('task').update(toRow(patch)).eq('id', taskId).select(TASK_COLUMNS).single(),
  );
}

// An empty description is none at all.
function toRow({ description, ...rest }: Partial<TaskDraft>) {
  return description === undefined ? rest : { ...rest, description: description.trim() || null };
}
