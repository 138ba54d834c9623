/** What a card says: title, labels, and one quiet line of facts. */
import { memo } from 'react';
import type { TaskRow } from '../api/rows';
import { useI18n } from '../i18n/i18n';
import { Avatar } from '../ui/avatar';
import { classNames } from '../ui/class-names';
import { Icon } from '../ui/icon';
import styles from './card-face.module.css';
import { Label } from './label';
import { PriorityMark } from './priority-mark';
import { dueState, formatDay } from './today';

interface CardFaceProps {
  readonly task: TaskRow;
  readonly isDone: boolean;
  readonly today: string;
  readonly assignee: string | null;
}

export const CardFace = memo(function CardFace({ task, isDone, today, assignee }: CardFaceProps) {
  const { t } = useI18n();
  return (
    <>
      <span className={styles.title}>{task.title}</span>
      {task.labels.length > 0 && (
        <span className={styles.labels}>
          {task.labels.map((label) => (
            <Label key={label} text={label} />
          ))}
        </span>
      )}
      <span className={styles.facts}>
        <PriorityMark priority={task.priority} />
        {task.type !== 'task' && <span className={styles.type}>{t(`type.${task.type}`)}</span>}
        {task.due_date && <Due day={task.due_date} isDone={isDone} today={today} />}
        <span className={styles.gap} />
        {task.estimate !== null && (
          <span className={styles.estimate} title={t('task.estimate')}>
            <span aria-hidden="true">{task.estimate}</span>
            <span className="visually-hidden">{t('card.points', { count: task.estimate })}</span>
          </span>
        )}
        {assignee && (
          <Avatar small name={assignee} title={t('card.assignee', { name: assignee })} />
        )}
      </span>
    </>
  );
});

function Due({ day, isDone, today }: { day: string; isDone: boolean; today: string }) {
  const { t, language } = useI18n();
  const state = dueState(day, today, isDone);
  const date = formatDay(day, today, language);
  const key =
    state === 'overdue' ? 'card.overdue' : state === 'today' ? 'card.dueToday' : 'card.due';
  return (
    <span
      className={classNames(styles.due, styles[state])}
      data-due={state}
      title={t(key, { date })}
    >
      <Icon name="calendar" size={13} />
      <span aria-hidden="true">{date}</span>
      <span className="visually-hidden">{t(key, { date })}</span>
    </span>
  );
}
