/** Cycle time: a point a finished card, with the median and the 85th percentile. */
import {
  CartesianGrid,
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
import { AXIS, GRID, MARGIN, TOOLTIP, Y_WIDTH } from './look';
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
      <ScatterChart margin={MARGIN}>
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
        <YAxis dataKey="days" width={Y_WIDTH} tickFormatter={words.number} {...AXIS} />
        <Tooltip
          {...TOOLTIP}
          content={({ payload }) => <PointCard point={payload[0]?.payload as Point | undefined} />}
        />
        <Scatter data={points} fill="var(--accent)" fillOpacity={0.45} isAnimationActive={false} />
        {median !== null && (
          <ReferenceLine
            y={median}
            stroke="var(--muted)"
            strokeDasharray="4 4"
            label={mark(t('metrics.median'))}
          />
        )}
        {p85 !== null && (
          <ReferenceLine
            y={p85}
            stroke="var(--warning)"
            strokeDasharray="4 4"
            label={mark(t('metrics.percentile85'))}
          />
        )}
      </ScatterChart>
    </ChartFrame>
  );
}

function mark(value: string) {
  return { value, position: 'insideTopRight', fill: 'var(--text)' } as const;
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
