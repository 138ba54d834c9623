/** The columns side by side, and everything that moves cards between them. */
import {
  DndContext,
  DragOverlay,
  MouseSensor,
  TouchSensor,
  useSensor,
  useSensors,
  type Announcements,
  type CollisionDetection,
} from '@dnd-kit/core';
import { useCallback, useMemo, useRef, useState } from 'react';
import type { Place } from '../api/cards';
import { useI18n } from '../i18n/i18n';
import { findCard, isFull, type BoardView } from '../state/board-view';
import { classNames } from '../ui/class-names';
import styles from './board-grid.module.css';
import { CARD_KEYS_ID } from './card';
import { CardFace } from './card-face';
import cardStyles from './card.module.css';
import { Column } from './column';
import { isFiltering, matches, type Filter } from './filter';
import { fullIndex } from './placing';
import { placeUnderPointer } from './pointer-place';
import { shorten, STEP } from './shorten';
import { useCardKeys } from './use-card-keys';
import { useLift } from './use-lift';

interface BoardGridProps {
  readonly view: BoardView;
  readonly filter: Filter;
  readonly today: string;
  readonly emails: ReadonlyMap<string, string>;
  readonly onOpen: (cardId: string) => void;
  readonly onAdd: (columnId: string, title: string) => void;
  readonly onMove: (cardId: string, place: Place) => void;
}

// useLift speaks for both hands; dnd-kit's own English sentences would come on top.
const SILENT: Announcements = {
  onDragStart: () => undefined,
  onDragOver: () => undefined,
  onDragEnd: () => undefined,
  onDragCancel: () => undefined,
};

export function BoardGrid({ view, filter, today, emails, onOpen, onAdd, onMove }: BoardGridProps) {
  const { t } = useI18n();
  const board = useRef<HTMLDivElement>(null);
  const lifting = useLift(view, onMove);
  const { lift } = lifting;
  const [caps, setCaps] = useState<ReadonlyMap<string, number>>(new Map());
  const pointer = useRef({ x: 0, y: 0 });

  const filtered = useMemo(() => {
    if (!isFiltering(filter)) return lifting.view;
    return lifting.view.map((each) => ({
      ...each,
      cards: each.cards.filter(
        (card) => card.id === lift?.cardId || matches(card.task, filter, today),
      ),
    }));
  }, [lifting.view, filter, today, lift?.cardId]);
  const shown = useMemo(() => shorten(filtered, caps, lift), [filtered, caps, lift]);

  // A place among the shown cards becomes one among all cards of the column.
  function overShown(place: Place) {
    const all = view.find(({ column }) => column.id === place.columnId);
    const seen = shown.find(({ column }) => column.id === place.columnId);
    if (!lift || !all || !seen) return;
    const index = fullIndex(all.cards, seen.cards, place.index ?? seen.cards.length, lift.cardId);
    lifting.over({ columnId: place.columnId, index });
  }

  const onKey = useCardKeys({ board, shown, lifting, overShown, onOpen });
  const onMore = useCallback((columnId: string) => {
    setCaps((was) => new Map(was).set(columnId, (was.get(columnId) ?? STEP) + STEP));
  }, []);
  const sensors = useSensors(
    useSensor(MouseSensor, { activationConstraint: { distance: 6 } }),
    useSensor(TouchSensor, { activationConstraint: { delay: 220, tolerance: 8 } }),
  );
  // Which gap is meant is read from the page (placeUnderPointer); here only the pointer is noted.
  const notePointer = useCallback<CollisionDetection>(({ pointerCoordinates }) => {
    if (pointerCoordinates) pointer.current = pointerCoordinates;
    return [];
  }, []);

  const dragged = lift?.by === 'pointer' ? findCard(view, lift.cardId) : undefined;
  return (
    <DndContext
      sensors={sensors}
      collisionDetection={notePointer}
      // The usual pace flies past three columns of a phone in a second.
      autoScroll={{ acceleration: 4 }}
      accessibility={{ announcements: SILENT }}
      onDragStart={({ active }) => {
        lifting.start(String(active.id), 'pointer');
      }}
      onDragMove={({ active }) => {
        if (!board.current) return;
        const place = placeUnderPointer(board.current, pointer.current, String(active.id));
        if (place) overShown(place);
      }}
      onDragEnd={lifting.drop}
      onDragCancel={lifting.cancel}
    >
      <p id={CARD_KEYS_ID} className="visually-hidden">
        {t('lift.keys')}
      </p>
      <div className="visually-hidden" role="status" aria-live="assertive" data-testid="said">
        {lifting.said}
      </div>
      <div ref={board} className={styles.board} data-testid="board">
        {lifting.view.map((all, index) => {
          const seen = shown[index]?.cards ?? [];
          return (
            <Column
              key={all.column.id}
              all={all}
              shown={seen}
              hiddenCount={(filtered[index]?.cards.length ?? 0) - seen.length}
              lift={lift}
              refuses={refuses(view, all.column.id, lift?.cardId)}
              today={today}
              emails={emails}
              onOpen={onOpen}
              onKey={onKey}
              onMore={onMore}
              onAdd={onAdd}
            />
          );
        })}
      </div>
      <DragOverlay dropAnimation={null}>
        {dragged && (
          <div className={classNames(cardStyles.card, cardStyles.overlay)}>
            <div className={cardStyles.handle}>
              <CardFace
                task={dragged.task}
                isDone={false}
                today={today}
                assignee={emails.get(dragged.task.assignee ?? '') ?? null}
              />
            </div>
          </div>
        )}
      </DragOverlay>
    </DndContext>
  );
}

function refuses(view: BoardView, columnId: string, cardId: string | undefined): boolean {
  const target = view.find(({ column }) => column.id === columnId);
  return cardId !== undefined && target !== undefined && isFull(target, cardId);
}
