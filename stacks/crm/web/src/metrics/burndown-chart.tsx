/** Burndown: what remains against what is in scope. */
import { CartesianGrid, Legend, Line, LineChart, Tooltip, XAxis, YAxis } from 'recharts';
import type { BurndownRow } from '../api/metrics';
import { useI18n } from '../i18n/i18n';
import { ChartFrame } from './chart-frame';
import { AXIS, GRID, CHART, TOOLTIP, Y_WIDTH } from './look';
import type { Unit } from './unit';
import { burndownDays } from './series';
import { useWords } from './use-words';

export function BurndownChart({ rows, unit }: { rows: readonly BurndownRow[]; unit: Unit }) {
  const { t } = useI18n();
  const words = useWords();
  const data = burndownDays(rows, unit);
  const table = {
    head: [t('metrics.day'), t('metrics.remaining'), t('metrics.scope')],
    rows: data.map(({ day, remaining, scope }) => [
      words.day(day),
      words.number(remaining),
      words.number(scope),
    ]),
  };
  return (
    <ChartFrame title={t('metrics.burndown')} note={t('metrics.burndownNote')} table={table}>
      <LineChart data={data} {...CHART}>
        <CartesianGrid {...GRID} />
        <XAxis dataKey="day" tickFormatter={words.day} minTickGap={40} {...AXIS} />
        <YAxis width={Y_WIDTH} allowDecimals={false} {...AXIS} />
        <Tooltip {...TOOLTIP} labelFormatter={words.day} />
        <Legend iconType="plainline" itemSorter={null} />
        <Line
          dataKey="scope"
          name={t('metrics.scope')}
          stroke="var(--line-strong)"
          strokeDasharray="4 4"
          dot={false}
          isAnimationActive={false}
        />
        <Line
          dataKey="remaining"
          name={t('metrics.remaining')}
          stroke="var(--accent)"
          strokeWidth={2}
          dot={false}
          isAnimationActive={false}
        />
      </LineChart>
    </ChartFrame>
  );
}
