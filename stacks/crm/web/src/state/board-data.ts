/** A board as loaded: rows by id, so that whatever arrives twice is there once. Pure. */
import type { CardWithTask } from '../api/cards';
import type { CardRow, ColumnRow, TaskRow } from '../api/rows';

export interface BoardData {
  readonly columns: ReadonlyMap<string, ColumnRow>;
  readonly cards: ReadonlyMap<string, CardRow>;
  readonly tasks: ReadonlyMap<string, TaskRow>;
}

export function toBoardData(
  columns: readonly ColumnRow[],
  rows: readonly CardWithTask[],
): BoardData {
  const cards = new Map<string, CardRow>();
  const tasks = new Map<string, TaskRow>();
  for (const { task, ...card } of rows) {
    cards.set(card.id, card);
    if (task) tasks.set(task.id, task);
  }
  return { columns: new Map(columns.map((column) => [column.id, column])), cards, tasks };
}

/** Tasks of cards that came without them: a card that was restored from the archive, for one. */
export function missingTasks(data: BoardData): string[] {
  return [...data.cards.values()]
    .filter((card) => !data.tasks.has(card.task_id))
    .map((card) => card.task_id);
}
