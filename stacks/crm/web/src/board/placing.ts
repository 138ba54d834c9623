/** From what is seen (a filtered, shortened list; an arrow key; a point on the screen) to a place in the column. Pure. */
import type { Place } from '../api/cards';
import { placeOf, type BoardView, type CardView, type ColumnView } from '../state/board-view';

export type Arrow = 'ArrowUp' | 'ArrowDown' | 'ArrowLeft' | 'ArrowRight';

export function isArrow(key: string): key is Arrow {
  return key === 'ArrowUp' || key === 'ArrowDown' || key === 'ArrowLeft' || key === 'ArrowRight';
}

/**
 * The index among all cards of a column (without the moved one) for an index among the shown ones:
 * right after the shown card above it, because that is what the person sees.
 */
export function fullIndex(
  all: readonly CardView[],
  shown: readonly CardView[],
  shownIndex: number,
  movedCardId: string,
): number {
  const rest = all.filter((card) => card.id !== movedCardId);
  const shownRest = shown.filter((card) => card.id !== movedCardId);
  const above = shownRest[Math.min(shownIndex, shownRest.length) - 1];
  if (above) return rest.indexOf(above) + 1;
  const below = shownRest[0];
  return below ? rest.indexOf(below) : rest.length;
}

/** Where an arrow key takes a lifted card; null when there is no way. Places are among the shown cards. */
export function stepPlace(shown: BoardView, cardId: string, arrow: Arrow): Place | null {
  const from = placeOf(shown, cardId);
  if (from?.index == null) return null;
  const columnIndex = shown.findIndex(({ column }) => column.id === from.columnId);
  if (arrow === 'ArrowUp' || arrow === 'ArrowDown') {
    const index = from.index + (arrow === 'ArrowDown' ? 1 : -1);
    const length = shown[columnIndex]?.cards.length ?? 0;
    return index >= 0 && index < length ? { columnId: from.columnId, index } : null;
  }
  const target = shown[columnIndex + (arrow === 'ArrowRight' ? 1 : -1)];
  if (!target) return null;
  return { columnId: target.column.id, index: Math.min(from.index, target.cards.length) };
}

/** The card that an arrow key leads to from a card: the next one, or the nearest of the next column that has any. */
export function neighbour(shown: BoardView, cardId: string, arrow: Arrow): string | null {
  const from = placeOf(shown, cardId);
  if (from?.index == null) return null;
  const { index } = from;
  const columnIndex = shown.findIndex(({ column }) => column.id === from.columnId);
  if (arrow === 'ArrowUp') return cardAt(shown[columnIndex], index - 1);
  if (arrow === 'ArrowDown') return cardAt(shown[columnIndex], index + 1);
  const beside =
    arrow === 'ArrowRight' ? shown.slice(columnIndex + 1) : shown.slice(0, columnIndex).reverse();
  const target = beside.find((each) => each.cards.length > 0);
  return target ? cardAt(target, Math.min(index, target.cards.length - 1)) : null;
}

function cardAt(column: ColumnView | undefined, index: number): string | null {
  return column?.cards[index]?.id ?? null;
}

export interface Box {
  readonly id: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** The column under a point, or the nearest one to its side; and how many of its cards lie above the point. */
export function placeAtPoint(
  point: { readonly x: number; readonly y: number },
  columns: readonly Box[],
  cardsOf: (columnId: string) => readonly Box[],
): Place | null {
  const distance = (box: Box) => Math.max(box.left - point.x, 0, point.x - box.right);
  const nearest = columns.reduce<Box | null>(
    (best, box) => (best && distance(best) <= distance(box) ? best : box),
    null,
  );
  if (!nearest) return null;
  const index = cardsOf(nearest.id).filter((box) => (box.top + box.bottom) / 2 < point.y).length;
  return { columnId: nearest.id, index };
}

/** Before which of the shown cards the mark of a dragged card stands; null when it would stay where it is. */
export function markIndex(
  all: readonly CardView[],
  shown: readonly CardView[],
  cardId: string,
  index: number,
): number | null {
  if (all.findIndex((card) => card.id === cardId) === index) return null;
  const order = new Map(
    all.filter((card) => card.id !== cardId).map((card, position) => [card.id, position]),
  );
  const before = shown.findIndex((card) => (order.get(card.id) ?? -1) >= index);
  return before === -1 ? shown.length : before;
}
