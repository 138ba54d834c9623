/** Three numbers that answer "how is it going" before any chart is read. */
import type { Metrics } from '../api/metrics';
import { useI18n } from '../i18n/i18n';
import { average, cycleDays, percentile } from './series';
import styles from './summary.module.css';
import { useWords } from './use-words';

export function Summary({ metrics }: { metrics: Metrics }) {
  const { t } = useI18n();
  const words = useWords();
  const lastDay = metrics.cfd.at(-1)?.day;
  const inWork = metrics.cfd
    .filter((row) => row.day === lastDay && row.stage === 'doing')
    .reduce((sum, row) => sum + row.count, 0);
  const median = percentile(metrics.cycles.map(cycleDays), 0.5);
  const perWeek = average(metrics.velocity.slice(0, -1).map((week) => week.cards));
  return (
    <dl className={styles.summary}>
      <Fact name={t('metrics.inWork')} value={words.number(inWork)} />
      <Fact name={t('metrics.medianCycle')} value={median === null ? '–' : words.days(median)} />
      <Fact name={t('metrics.perWeek')} value={perWeek === null ? '–' : words.number(perWeek)} />
    </dl>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div className={styles.fact}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
