/**
 * The board by keyboard. On a card: arrows walk, Enter opens, Space lifts. With a card lifted: arrows
 * carry it, Space or Enter puts it down, Escape takes it back.
 */
import {
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  type KeyboardEvent,
  type RefObject,
} from 'react';
import type { Place } from '../api/cards';
import type { BoardView } from '../state/board-view';
import { isArrow, neighbour, stepPlace } from './placing';
import type { Lifting } from './use-lift';

interface CardKeys {
  readonly board: RefObject<HTMLElement | null>;
  readonly shown: BoardView;
  readonly lifting: Lifting;
  readonly overShown: (place: Place) => void;
  readonly onOpen: (cardId: string) => void;
}

export function useCardKeys(keys: CardKeys): (cardId: string, event: KeyboardEvent) => void {
  const { board, lifting } = keys;
  const latest = useRef(keys);
  useLayoutEffect(() => {
    latest.current = keys;
  });

  // A card that changes its column is a new element: focus follows it, or the keys would be lost.
  const { lift } = lifting;
  const carried = lift?.by === 'keyboard' ? lift.cardId : null;
  const place = lift ? `${lift.place.columnId}:${String(lift.place.index)}` : null;
  useLayoutEffect(() => {
    if (carried) focusCard(board.current, carried);
  }, [board, carried, place]);

  // A press elsewhere puts the card back, as Escape does.
  useEffect(() => {
    if (!carried) return;
    const cancel = () => {
      latest.current.lifting.cancel();
    };
    document.addEventListener('pointerdown', cancel);
    return () => {
      document.removeEventListener('pointerdown', cancel);
    };
  }, [carried]);

  return useCallback((cardId, event) => {
    const handled = latest.current.lifting.lift
      ? carry(latest.current, event.key)
      : walk(latest.current, cardId, event.key);
    if (handled) event.preventDefault();
  }, []);
}

function walk({ board, shown, lifting, onOpen }: CardKeys, cardId: string, key: string): boolean {
  if (key === 'Enter') onOpen(cardId);
  else if (key === ' ') lifting.start(cardId, 'keyboard');
  else if (isArrow(key)) focusCard(board.current, neighbour(shown, cardId, key));
  else return false;
  return true;
}

function carry({ shown, lifting, overShown }: CardKeys, key: string): boolean {
  if (lifting.lift?.by !== 'keyboard') return false;
  if (key === ' ' || key === 'Enter') lifting.drop();
  else if (key === 'Escape') lifting.cancel();
  else if (isArrow(key)) {
    const place = stepPlace(shown, lifting.lift.cardId, key);
    if (place) overShown(place);
  }
  // Tab would leave the card hanging in the air.
  else return key === 'Tab';
  return true;
}

function focusCard(board: HTMLElement | null, cardId: string | null): void {
  if (!cardId) return;
  const card = board?.querySelector<HTMLElement>(
    `[data-card-id="${CSS.escape(cardId)}"] [role="button"]`,
  );
  card?.focus({ preventScroll: true });
  card?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}
