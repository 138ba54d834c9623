/**
 * Puts rows that arrive one by one (realtime, answers to our own writes) into a board that is loaded.
 * Pure, and safe to repeat: the same news twice, or old news after new, changes nothing.
 */
import type { LiveChange } from '../api/live';
import type { CardRow, ColumnRow, TaskRow } from '../api/rows';
import type { BoardData } from './board-data';

interface Stamped {
  readonly id: string;
  readonly updated_at: string;
}

export function mergeChanges(data: BoardData, changes: readonly LiveChange[]): BoardData {
  return changes.reduce(mergeChange, data);
}

function mergeChange(data: BoardData, { table, id, row }: LiveChange): BoardData {
  switch (table) {
    case 'card':
      return { ...data, cards: row ? putCard(data, pickCard(row)) : without(data.cards, id) };
    case 'task':
      return {
        ...data,
        tasks: row ? putNewer(data.tasks, pickTask(row)) : without(data.tasks, id),
      };
    case 'column':
      return {
        ...data,
        columns: row ? new Map(data.columns).set(id, pickColumn(row)) : without(data.columns, id),
      };
  }
}

export function mergeCard(data: BoardData, card: CardRow): BoardData {
  return { ...data, cards: putCard(data, card) };
}

export function mergeTasks(data: BoardData, tasks: readonly TaskRow[]): BoardData {
  return { ...data, tasks: tasks.reduce(putNewer<TaskRow>, data.tasks) };
}

function putCard(data: BoardData, card: CardRow): ReadonlyMap<string, CardRow> {
  const known = data.cards.get(card.id);
  if (known && isOlder(card, known)) return data.cards;
  return card.archived ? without(data.cards, card.id) : new Map(data.cards).set(card.id, card);
}

function putNewer<Row extends Stamped>(
  rows: ReadonlyMap<string, Row>,
  row: Row,
): ReadonlyMap<string, Row> {
  const known = rows.get(row.id);
  return known && isOlder(row, known) ? rows : new Map(rows).set(row.id, row);
}

// Realtime and the data API may write the same instant differently, so instants are compared, not texts.
function isOlder(row: Stamped, known: Stamped): boolean {
  return Date.parse(row.updated_at) < Date.parse(known.updated_at);
}

function without<Row>(rows: ReadonlyMap<string, Row>, id: string): ReadonlyMap<string, Row> {
  if (!rows.has(id)) return rows;
  const rest = new Map(rows);
  rest.delete(id);
  return rest;
}

type Raw = Readonly<Record<string, unknown>>;

// Realtime sends whole rows; the board keeps only what it shows (a description may be long).
function pickCard(raw: Raw): CardRow {
  const { id, column_id, task_id, position, archived, updated_at } = raw as unknown as CardRow;
  return { id, column_id, task_id, position, archived, updated_at };
}

function pickColumn(raw: Raw): ColumnRow {
  const { id, name, key, stage, wip_limit, position } = raw as unknown as ColumnRow;
  return { id, name, key, stage, wip_limit, position };
}

function pickTask(raw: Raw): TaskRow {
  const { id, title, type, priority, estimate, assignee, labels, due_date, updated_at } =
    raw as unknown as TaskRow;
  return { id, title, type, priority, estimate, assignee, labels, due_date, updated_at };
}
