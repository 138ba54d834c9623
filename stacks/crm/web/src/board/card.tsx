/** One card: opens by click or Enter, is lifted by mouse, touch or Space. */
import { useDraggable } from '@dnd-kit/core';
import { memo, type KeyboardEvent } from 'react';
import { classNames } from '../ui/class-names';
import styles from './card.module.css';
import { CardFace } from './card-face';
import type { CardView } from '../state/board-view';

export const CARD_KEYS_ID = 'card-keys';

export interface CardActions {
  readonly onOpen: (cardId: string) => void;
  readonly onKey: (cardId: string, event: KeyboardEvent<HTMLElement>) => void;
}

interface CardProps extends CardActions {
  readonly card: CardView;
  readonly isDone: boolean;
  readonly today: string;
  readonly assignee: string | null;
  readonly lifted: 'pointer' | 'keyboard' | null;
}

export const Card = memo(function Card(props: CardProps) {
  const { card, lifted, onOpen, onKey, ...face } = props;
  const { setNodeRef, listeners } = useDraggable({ id: card.id });
  return (
    <li
      data-testid="card"
      data-card-id={card.id}
      className={classNames(
        styles.card,
        card.pending && styles.pending,
        lifted === 'pointer' && styles.ghost,
        lifted === 'keyboard' && styles.lifted,
      )}
    >
      <div
        ref={setNodeRef}
        {...listeners}
        role="button"
        tabIndex={0}
        aria-describedby={CARD_KEYS_ID}
        className={styles.handle}
        onClick={() => {
          onOpen(card.id);
        }}
        onKeyDown={(event) => {
          onKey(card.id, event);
        }}
      >
        <CardFace task={card.task} {...face} />
      </div>
    </li>
  );
});
