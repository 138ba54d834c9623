/**
 * A card in the hand, by pointer or by keyboard: where it would land, and what happens when it is put
 * down. Both hands share this, so both obey the same rules and say the same words.
 */
import { useCallback, useMemo, useState } from 'react';
import type { Place } from '../api/cards';
import { useI18n } from '../i18n/i18n';
import { findCard, isFull, moveInView, placeOf, type BoardView } from '../state/board-view';
import { useSay } from '../ui/toasts';

export interface Lift {
  readonly cardId: string;
  readonly by: 'pointer' | 'keyboard';
  readonly place: Place;
}

interface Landed {
  readonly cardId: string;
  readonly place: Place;
  readonly on: BoardView;
}

export interface Lifting {
  readonly lift: Lift | null;
  /**
   * The board with a card lifted by keyboard where it would land. A card lifted by pointer stays in
   * its place under a mark: a finger's events die with the element that it touched.
   */
  readonly view: BoardView;
  /** The last sentence for screen readers. */
  readonly said: string;
  readonly start: (cardId: string, by: Lift['by']) => void;
  readonly over: (place: Place) => void;
  readonly drop: () => void;
  readonly cancel: () => void;
}

export function useLift(view: BoardView, move: (cardId: string, place: Place) => void): Lifting {
  const { t } = useI18n();
  const say = useSay();
  const [held, setHeld] = useState<Lift | null>(null);
  const [said, setSaid] = useState('');
  const [landed, setLanded] = useState<Landed | null>(null);

  // The card may go away under the hand: another person archived it.
  const lift = held && placeOf(view, held.cardId) ? held : null;
  // Between the drop and the first view that knows of it the card must not jump back, and lose the focus.
  const shownAt = lift?.by === 'keyboard' ? lift : landed?.on === view ? landed : null;
  const preview = useMemo(
    () => (shownAt ? moveInView(view, shownAt.cardId, shownAt.place) : view),
    [view, shownAt],
  );

  const describe = useCallback((cardId: string, place: Place, board: BoardView) => {
    const target = board.find(({ column }) => column.id === place.columnId);
    return {
      title: findCard(board, cardId)?.task.title ?? '',
      column: target?.column.name ?? '',
      position: (place.index ?? 0) + 1,
      total: target?.cards.length ?? 0,
    };
  }, []);

  const start = (cardId: string, by: Lift['by']) => {
    const place = placeOf(view, cardId);
    if (!place) return;
    setHeld({ cardId, by, place });
    setSaid(t('lift.lifted', describe(cardId, place, view)));
  };

  const over = (place: Place) => {
    if (!lift || samePlace(lift.place, place)) return;
    setHeld({ ...lift, place });
    setSaid(t('lift.over', describe(lift.cardId, place, moveInView(view, lift.cardId, place))));
  };

  const cancel = () => {
    if (!lift) return;
    setHeld(null);
    setSaid(t('lift.cancelled', describe(lift.cardId, lift.place, view)));
  };

  const drop = () => {
    if (!lift) return;
    setHeld(null);
    const values = describe(lift.cardId, lift.place, moveInView(view, lift.cardId, lift.place));
    const from = placeOf(view, lift.cardId);
    const target = view.find(({ column }) => column.id === lift.place.columnId);
    if (!from || !target || samePlace(from, lift.place)) {
      setSaid(t('lift.cancelled', values));
    } else if (isFull(target, lift.cardId)) {
      const refusal = t('wip.refused', {
        column: target.column.name,
        limit: target.column.wip_limit ?? 0,
      });
      setSaid(refusal);
      say(refusal);
    } else {
      setSaid(t('lift.dropped', values));
      setLanded({ cardId: lift.cardId, place: lift.place, on: view });
      move(lift.cardId, lift.place);
    }
  };

  return { lift, view: preview, said, start, over, drop, cancel };
}

function samePlace(a: Place, b: Place): boolean {
  return a.columnId === b.columnId && a.index === b.index;
}
