/** A priority as rising bars: readable without colour; only "urgent" is red. */
import type { Priority } from '../api/rows';
import { useI18n } from '../i18n/i18n';
import { classNames } from '../ui/class-names';
import styles from './priority-mark.module.css';

const BARS = [3, 6, 9, 12];

export function PriorityMark({ priority }: { priority: Priority }) {
  const { t } = useI18n();
  const name = t('card.priority', { priority: t(`priority.${priority}`) });
  const lit = 5 - priority;
  return (
    <span className={classNames(styles.mark, priority === 1 && styles.urgent)} title={name}>
      <svg width="15" height="12" viewBox="0 0 15 12" aria-hidden="true">
        {BARS.map((height, index) => (
          <rect
            key={height}
            x={index * 4}
            y={12 - height}
            width="3"
            height={height}
            rx="1"
            fill="currentColor"
            opacity={index < lit ? 1 : 0.25}
          />
        ))}
      </svg>
      <span className="visually-hidden">{name}</span>
    </span>
  );
}
