/** How many finished cards took how many days. */
import { Bar, BarChart, CartesianGrid, Tooltip, XAxis, YAxis } from 'recharts';
import type { CycleRow } from '../api/metrics';
import { useI18n } from '../i18n/i18n';
import { ChartFrame } from './chart-frame';
import { AXIS, GRID, CHART, TOOLTIP, Y_WIDTH } from './look';
import { histogram } from './series';
import { useWords } from './use-words';

export function HistogramChart({ cycles }: { cycles: readonly CycleRow[] }) {
  const { t } = useI18n();
  const words = useWords();
  const bins = histogram(cycles).map(({ from, to, count }) => ({
    name: to === null ? `> ${words.number(from)}` : `${words.number(from)}–${words.number(to)}`,
    count,
  }));
  const table = {
    head: [t('metrics.days'), t('metrics.cards')],
    rows: bins.map(({ name, count }) => [name, words.number(count)]),
  };
  return (
    <ChartFrame title={t('metrics.histogram')} note={t('metrics.histogramNote')} table={table}>
      <BarChart data={bins} {...CHART}>
        <CartesianGrid {...GRID} />
        <XAxis dataKey="name" {...AXIS} />
        <YAxis width={Y_WIDTH} allowDecimals={false} {...AXIS} />
        <Tooltip
          {...TOOLTIP}
          labelFormatter={(name) => (
            <>
              {t('metrics.days')}: {name}
            </>
          )}
        />
        <Bar
          dataKey="count"
          name={t('metrics.cards')}
          fill="var(--accent)"
          radius={[3, 3, 0, 0]}
          isAnimationActive={false}
        />
      </BarChart>
    </ChartFrame>
  );
}
