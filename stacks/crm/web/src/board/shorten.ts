/** Long columns show their first cards and a button for more: 2,000 cards on a board stay fluid. Pure. */
import type { BoardView } from '../state/board-view';
import type { Lift } from './use-lift';

/** How many cards a column shows at first, and how many more each time. */
export const STEP = 50;

/** A card carried by keyboard comes on top of the count, or it would vanish at the end of the list. */
export function shorten(
  view: BoardView,
  caps: ReadonlyMap<string, number>,
  lift: Lift | null,
): BoardView {
  const guestColumn = lift?.by === 'keyboard' ? lift.place.columnId : null;
  return view.map((each) => {
    const cap = (caps.get(each.column.id) ?? STEP) + (each.column.id === guestColumn ? 1 : 0);
    return each.cards.length <= cap ? each : { ...each, cards: each.cards.slice(0, cap) };
  });
}
