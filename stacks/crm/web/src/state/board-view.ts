/** What the board shows: columns in order, cards in order, with changes on top that are not confirmed yet. Pure. */
import type { Place } from '../api/cards';
import type { CardRow, ColumnRow, TaskDraft, TaskRow } from '../api/rows';
import type { BoardData } from './board-data';

export interface CardView {
  readonly id: string;
  readonly task: TaskRow;
  /** Not confirmed by the server yet. */
  readonly pending: boolean;
}

export interface ColumnView {
  readonly column: ColumnRow;
  readonly cards: readonly CardView[];
}

export type BoardView = readonly ColumnView[];

/** Only the fields that were changed, so that two people may edit different fields of one card. */
export type TaskPatch = Partial<TaskDraft>;

/** What a person did; shown at once, and sent. */
export type Change =
  | { readonly kind: 'move'; readonly cardId: string; readonly place: Place }
  | { readonly kind: 'archive'; readonly cardId: string }
  | { readonly kind: 'restore'; readonly cardId: string }
  | { readonly kind: 'edit'; readonly taskId: string; readonly patch: TaskPatch }
  | {
      readonly kind: 'create';
      readonly temporaryId: string;
      readonly columnId: string;
      readonly draft: TaskDraft;
    };

export function viewBoard(data: BoardData, pending: readonly Change[]): BoardView {
  const columns = [...data.columns.values()].sort(byPosition);
  const cards = new Map<string, CardRow[]>(columns.map((column) => [column.id, []]));
  for (const card of data.cards.values()) cards.get(card.column_id)?.push(card);
  const view = columns.map((column) => ({
    column,
    cards: (cards.get(column.id) ?? []).sort(byPosition).flatMap((card) => viewCard(card, data)),
  }));
  return pending.reduce<BoardView>(applyChange, view);
}

function viewCard(card: CardRow, data: BoardData): CardView[] {
  const task = data.tasks.get(card.task_id);
  return task ? [{ id: card.id, task, pending: false }] : [];
}

function byPosition(
  a: { readonly position: number; readonly id: string },
  b: { readonly position: number; readonly id: string },
): number {
  return a.position - b.position || (a.id < b.id ? -1 : 1);
}

export function applyChange(view: BoardView, change: Change): BoardView {
  switch (change.kind) {
    case 'move':
      return moveInView(view, change.cardId, change.place);
    case 'archive':
      return mapCards(view, (cards) => cards.filter((card) => card.id !== change.cardId));
    case 'edit':
      return mapCards(view, (cards) =>
        cards.map((card) =>
          card.task.id === change.taskId
            ? {
                ...card,
                pending: true,
                task: { ...card.task, ...withoutDescription(change.patch) },
              }
            : card,
        ),
      );
    // A restored card is not loaded: it comes with the answer.
    case 'restore':
      return view;
    case 'create': {
      const created: CardView = {
        id: change.temporaryId,
        pending: true,
        task: { id: change.temporaryId, updated_at: '', ...withoutDescription(change.draft) },
      };
      return view.map((each) =>
        each.column.id === change.columnId ? { ...each, cards: [...each.cards, created] } : each,
      );
    }
  }
}

/** The view with one card somewhere else; the same view when the card or the column is gone. */
export function moveInView(view: BoardView, cardId: string, place: Place): BoardView {
  const card = findCard(view, cardId);
  if (!card || !view.some((each) => each.column.id === place.columnId)) return view;
  return view.map((each) => {
    const rest = each.cards.filter((other) => other.id !== cardId);
    if (each.column.id === place.columnId) {
      rest.splice(place.index ?? rest.length, 0, { ...card, pending: true });
      return { ...each, cards: rest };
    }
    return rest.length === each.cards.length ? each : { ...each, cards: rest };
  });
}

export function findCard(view: BoardView, cardId: string): CardView | undefined {
  for (const { cards } of view) {
    const found = cards.find((card) => card.id === cardId);
    if (found) return found;
  }
  return undefined;
}

/** Where a card is now, in the terms of `move`. */
export function placeOf(view: BoardView, cardId: string): Place | null {
  for (const { column, cards } of view) {
    const index = cards.findIndex((card) => card.id === cardId);
    if (index >= 0) return { columnId: column.id, index };
  }
  return null;
}

/** Whether one more card would break the limit; moving inside a full column is always allowed. */
export function isFull({ column, cards }: ColumnView, movedCardId: string | null): boolean {
  if (column.wip_limit === null) return false;
  const others = cards.filter((card) => card.id !== movedCardId).length;
  return others !== cards.length ? false : others >= column.wip_limit;
}

export function withoutDescription<Draft extends TaskPatch>(
  draft: Draft,
): Omit<Draft, 'description'> {
  const { description: _, ...rest } = draft;
  return rest;
}

/** What a form changed; null when nothing. */
export function changedFields(before: TaskDraft, after: TaskDraft): TaskPatch | null {
  const changed = Object.entries(after).filter(
    ([field, value]) => JSON.stringify(value) !== JSON.stringify(before[field as keyof TaskDraft]),
  );
  return changed.length > 0 ? Object.fromEntries(changed) : null;
}

function mapCards(
  view: BoardView,
  change: (cards: readonly CardView[]) => readonly CardView[],
): BoardView {
  return view.map((each) => ({ ...each, cards: change(each.cards) }));
}
