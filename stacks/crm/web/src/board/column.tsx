/** One column: its name, how full it is against its limit, its cards, and a quick way to add one. */
import { Fragment, memo, useState } from 'react';
import { useI18n } from '../i18n/i18n';
import type { CardView, ColumnView } from '../state/board-view';
import { Button } from '../ui/button';
import { classNames } from '../ui/class-names';
import { Icon } from '../ui/icon';
import { Card, type CardActions } from './card';
import styles from './column.module.css';
import { markIndex } from './placing';
import type { Lift } from './use-lift';

interface ColumnProps extends CardActions {
  /** All cards of the column: the limit counts those that a filter hides too. */
  readonly all: ColumnView;
  readonly shown: readonly CardView[];
  readonly hiddenCount: number;
  readonly lift: Lift | null;
  readonly refuses: boolean;
  readonly today: string;
  readonly emails: ReadonlyMap<string, string>;
  readonly onMore: (columnId: string) => void;
  readonly onAdd: (columnId: string, title: string) => void;
}

export const Column = memo(function Column(props: ColumnProps) {
  const { all, shown, hiddenCount, lift, refuses, today, emails, onMore, onAdd, ...actions } =
    props;
  const { t } = useI18n();
  const { column, cards } = all;
  const isTarget = lift?.place.columnId === column.id;
  const mark =
    isTarget && lift.by === 'pointer'
      ? markIndex(cards, shown, lift.cardId, lift.place.index ?? cards.length)
      : null;
  return (
    <section
      aria-label={column.name}
      data-testid="column"
      data-column-id={column.id}
      data-column-key={column.key}
      className={classNames(styles.column, isTarget && (refuses ? styles.refuses : styles.target))}
    >
      <header className={styles.header}>
        <h2 className={styles.name}>{column.name}</h2>
        <Count count={cards.length} limit={column.wip_limit} />
      </header>
      <ol className={styles.cards} data-testid="column-cards">
        {shown.map((card, index) => (
          <Fragment key={card.id}>
            {index === mark && <DropMark />}
            <Card
              card={card}
              isDone={column.stage === 'done'}
              today={today}
              assignee={emails.get(card.task.assignee ?? '') ?? null}
              lifted={lift?.cardId === card.id ? lift.by : null}
              {...actions}
            />
          </Fragment>
        ))}
        {mark === shown.length && <DropMark />}
        {shown.length === 0 && <li className={styles.empty}>{t('column.empty')}</li>}
        {hiddenCount > 0 && (
          <li>
            <Button
              look="quiet"
              className={styles.more}
              onClick={() => {
                onMore(column.id);
              }}
            >
              {t('column.more', { count: hiddenCount })}
            </Button>
          </li>
        )}
      </ol>
      <QuickAdd
        columnName={column.name}
        onAdd={(title) => {
          onAdd(column.id, title);
        }}
      />
    </section>
  );
});

function DropMark() {
  return <li className={styles.mark} data-testid="drop-mark" aria-hidden="true" />;
}

function Count({ count, limit }: { count: number; limit: number | null }) {
  const { t, language } = useI18n();
  const numbers = new Intl.NumberFormat(language);
  if (limit === null) {
    return (
      <span className={styles.count} title={t('column.count', { count })}>
        {numbers.format(count)}
      </span>
    );
  }
  return (
    <span
      data-testid="wip"
      className={classNames(styles.count, count >= limit && styles.full)}
      title={t(count >= limit ? 'wip.full' : 'wip.limit', { count, limit })}
    >
      <span aria-hidden="true">{`${numbers.format(count)} / ${numbers.format(limit)}`}</span>
      <span className="visually-hidden">{t('wip.limit', { count, limit })}</span>
    </span>
  );
}

interface QuickAddProps {
  readonly columnName: string;
  readonly onAdd: (title: string) => void;
}

/** Type, Enter, type, Enter: the field stays open until Escape or until focus leaves it empty. */
function QuickAdd({ columnName, onAdd }: QuickAddProps) {
  const { t } = useI18n();
  const [title, setTitle] = useState<string | null>(null);
  if (title === null) {
    return (
      <Button
        look="quiet"
        className={styles.add}
        aria-label={t('column.addTo', { column: columnName })}
        onClick={() => {
          setTitle('');
        }}
      >
        <Icon name="plus" />
        {t('column.add')}
      </Button>
    );
  }
  return (
    <form
      className={styles.quick}
      onSubmit={(event) => {
        event.preventDefault();
        if (title.trim() !== '') onAdd(title.trim());
        setTitle('');
      }}
    >
      <input
        className={styles.quickInput}
        aria-label={t('column.newTitle')}
        placeholder={t('column.newTitle')}
        value={title}
        maxLength={200}
        // The person has just pressed the button that this field replaces.
        // eslint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        onChange={(event) => {
          setTitle(event.target.value);
        }}
        onKeyDown={(event) => {
          if (event.key === 'Escape') setTitle(null);
        }}
        onBlur={() => {
          if (title.trim() === '') setTitle(null);
        }}
      />
    </form>
  );
}
