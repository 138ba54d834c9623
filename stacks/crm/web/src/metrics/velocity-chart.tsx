/** Velocity: finished work by week, with the average of the full weeks. */
import { Bar, BarChart, CartesianGrid, ReferenceLine, Tooltip, XAxis, YAxis } from 'recharts';
import type { VelocityRow } from '../api/metrics';
import { useI18n } from '../i18n/i18n';
import { ChartFrame } from './chart-frame';
import { AXIS, GRID, CHART, TOOLTIP, Y_WIDTH } from './look';
import type { Unit } from './unit';
import { average } from './series';
import { useWords } from './use-words';

export function VelocityChart({ rows, unit }: { rows: readonly VelocityRow[]; unit: Unit }) {
  const { t } = useI18n();
  const words = useWords();
  const unitName = t(unit === 'cards' ? 'metrics.cards' : 'metrics.points');
  const mean = average(rows.slice(0, -1).map((row) => row[unit]));
  const note =
    mean === null
      ? t('metrics.velocityNote')
      : `${t('metrics.velocityNote')} ${t('metrics.average', { count: words.number(mean) })}`;
  const table = {
    head: [t('metrics.week'), t('metrics.cards'), t('metrics.points')],
    rows: rows.map((row) => [
      words.day(row.week),
      words.number(row.cards),
      words.number(row.points),
    ]),
  };
  return (
    <ChartFrame title={t('metrics.velocity')} note={note} table={table}>
      <BarChart data={rows} {...CHART}>
        <CartesianGrid {...GRID} />
        <XAxis dataKey="week" tickFormatter={words.day} minTickGap={16} {...AXIS} />
        <YAxis width={Y_WIDTH} allowDecimals={false} {...AXIS} />
        <Tooltip
          {...TOOLTIP}
          labelFormatter={(week) => `${t('metrics.week')} ${words.day(week)}`}
        />
        <Bar
          dataKey={unit}
          name={unitName}
          fill="var(--accent)"
          radius={[3, 3, 0, 0]}
          maxBarSize={36}
          isAnimationActive={false}
        />
        {mean !== null && <ReferenceLine y={mean} stroke="var(--text)" strokeDasharray="4 4" />}
      </BarChart>
    </ChartFrame>
  );
}
