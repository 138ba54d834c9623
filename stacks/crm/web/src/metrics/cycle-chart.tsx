/** Cycle time: a point a finished card, with the median and the 85th percentile. */
import {
  CartesianGrid,
  Legend,
  ReferenceLine,
  Scatter,
  ScatterChart,
  Tooltip,
  XAxis,
  YAxis,
} from 'recharts';
import type { CycleRow } from '../api/metrics';
import { useI18n } from '../i18n/i18n';
import { ChartFrame } from './chart-frame';
import styles from './cycle-chart.module.css';
import { AXIS, GRID, CHART, TOOLTIP, Y_WIDTH } from './look';
import { cycleDays, percentile } from './series';
import { useWords } from './use-words';

interface Point {
  readonly title: string;
  readonly at: number;
  readonly days: number;
}

export function CycleChart({ cycles }: { cycles: readonly CycleRow[] }) {
  const { t } = useI18n();
  const words = useWords();
  const points = cycles.map<Point>((cycle) => ({
    title: cycle.title,
    at: Date.parse(cycle.done_at),
    days: cycleDays(cycle),
  }));
  const spans = points.map(({ days }) => days);
  const median = percentile(spans, 0.5);
  const p85 = percentile(spans, 0.85);
  const note =
    median === null || p85 === null
      ? t('metrics.cycleNote')
      : `${t('metrics.cycleNote')} ${t('metrics.cycleSummary', { median: words.days(median), p85: words.days(p85) })}`;
  const table = {
    head: [t('metrics.day'), t('task.title'), t('metrics.days')],
    rows: points.map(({ at, title, days }) => [words.day(at), title, words.number(days)]),
  };
  return (
    <ChartFrame title={t('metrics.cycle')} note={note} table={table}>
      <ScatterChart {...CHART}>
        <CartesianGrid {...GRID} />
        <XAxis
          dataKey="at"
          type="number"
          scale="time"
          domain={['dataMin', 'dataMax']}
          tickFormatter={words.day}
          minTickGap={40}
          {...AXIS}
        />
        <YAxis
          dataKey="days"
          domain={[0, (most: number) => Math.ceil(most)]}
          width={Y_WIDTH}
          tickFormatter={words.number}
          {...AXIS}
        />
        <Tooltip
          {...TOOLTIP}
          content={({ payload }) => <PointCard point={payload[0]?.payload as Point | undefined} />}
        />
        <Scatter data={points} isAnimationActive={false} shape={<Dot />} />
        {median !== null && <ReferenceLine y={median} stroke="var(--text)" strokeDasharray="6 3" />}
        {p85 !== null && <ReferenceLine y={p85} stroke="var(--danger)" strokeDasharray="2 3" />}
        <Legend content={Lines} />
      </ScatterChart>
    </ChartFrame>
  );
}

function Dot({ cx, cy }: { cx?: number; cy?: number }) {
  return <circle cx={cx} cy={cy} r={3} fill="var(--accent)" fillOpacity={0.4} />;
}

function Lines() {
  const { t } = useI18n();
  return (
    <ul className={styles.lines}>
      <li className={styles.median}>{t('metrics.median')}</li>
      <li className={styles.percentile}>{t('metrics.percentile85')}</li>
    </ul>
  );
}

function PointCard({ point }: { point: Point | undefined }) {
  const words = useWords();
  if (!point) return null;
  return (
    <div className={styles.point}>
      <strong>{point.title}</strong>
      <span>{`${words.day(point.at)}: ${words.days(point.days)}`}</span>
    </div>
  );
}
