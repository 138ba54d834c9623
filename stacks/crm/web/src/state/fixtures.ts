/** Small boards for the tests. */
import type { CardRow, ColumnRow, TaskRow } from '../api/rows';
import type { BoardData } from './board-data';
import type { BoardView } from './board-view';

const EARLY = '2026-01-01T10:00:00.000000+00:00';

export function column(key: string, position: number, wip_limit: number | null = null): ColumnRow {
  return { id: `column-${key}`, name: key, key, stage: 'todo', wip_limit, position };
}

export function card(name: string, key: string, position: number): CardRow {
  return {
    id: `card-${name}`,
    column_id: `column-${key}`,
    task_id: `task-${name}`,
    position,
    archived: false,
    updated_at: EARLY,
  };
}

export function task(name: string, part: Partial<TaskRow> = {}): TaskRow {
  return {
    id: `task-${name}`,
    title: name,
    type: 'task',
    priority: 3,
    estimate: null,
    assignee: null,
    labels: [],
    due_date: null,
    updated_at: EARLY,
    ...part,
  };
}

/** Columns in order, each with the names of its cards in order. */
export function board(columns: Readonly<Record<string, readonly string[]>>): BoardData {
  const names = Object.values(columns).flat();
  const cards = Object.entries(columns).flatMap(([key, inside]) =>
    inside.map((name, index) => card(name, key, (index + 1) * 1000)),
  );
  return {
    columns: new Map(
      Object.keys(columns).map((key, index) => [`column-${key}`, column(key, index)]),
    ),
    cards: new Map(cards.map((each) => [each.id, each])),
    tasks: new Map(names.map((name) => [`task-${name}`, task(name)])),
  };
}

/** What stands where, by titles. */
export function titles(view: BoardView): Record<string, string[]> {
  return Object.fromEntries(
    view.map((each) => [each.column.key, each.cards.map(({ task: { title } }) => title)]),
  );
}
