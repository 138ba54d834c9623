/** Cumulative flow: one band a column, done at the bottom. */
import type { CSSProperties } from 'react';
import { Area, AreaChart, CartesianGrid, Legend, Tooltip, XAxis, YAxis } from 'recharts';
import type { CfdRow } from '../api/metrics';
import type { ColumnRow } from '../api/rows';
import { useI18n } from '../i18n/i18n';
import styles from './cfd-chart.module.css';
import { ChartFrame } from './chart-frame';
import { AXIS, flowColour, GRID, CHART, TOOLTIP, Y_WIDTH } from './look';
import { flowDays, sinceStart } from './series';
import { useWords } from './use-words';

interface CfdChartProps {
  readonly rows: readonly CfdRow[];
  readonly columns: readonly ColumnRow[];
}

export function CfdChart({ rows, columns }: CfdChartProps) {
  const { t } = useI18n();
  const words = useWords();
  const drawn = flowDays(sinceStart(rows));
  const statuses = orderStatuses(rows, columns);
  const table = {
    head: [t('metrics.day'), ...statuses.map(({ name }) => name)],
    // The table has the numbers as the database counted them.
    rows: flowDays(rows).map((day) => [
      words.day(day.day),
      ...statuses.map(({ key }) => words.number(Number(day[key] ?? 0))),
    ]),
  };
  return (
    <ChartFrame title={t('metrics.cfd')} note={t('metrics.cfdNote')} table={table}>
      <AreaChart data={drawn} {...CHART}>
        <CartesianGrid {...GRID} />
        <XAxis dataKey="day" tickFormatter={words.day} minTickGap={40} {...AXIS} />
        <YAxis width={Y_WIDTH} allowDecimals={false} {...AXIS} />
        <Tooltip {...TOOLTIP} labelFormatter={words.day} />
        <Legend content={<Bands statuses={statuses} />} />
        {statuses.toReversed().map(({ key, name }, index) => (
          <Area
            key={key}
            dataKey={key}
            name={name}
            stackId="flow"
            type="monotone"
            stroke="var(--surface)"
            strokeWidth={1}
            fill={flowColour(statuses.length - 1 - index, statuses.length)}
            fillOpacity={1}
            isAnimationActive={false}
          />
        ))}
      </AreaChart>
    </ChartFrame>
  );
}

function Bands({ statuses }: { statuses: readonly Status[] }) {
  return (
    <ul className={styles.bands}>
      {statuses.map(({ key, name }, index) => (
        <li key={key} style={{ '--band': flowColour(index, statuses.length) } as CSSProperties}>
          {name}
        </li>
      ))}
    </ul>
  );
}

interface Status {
  readonly key: string;
  readonly name: string;
}

/** Columns in their order; a status whose column was deleted keeps its key as its name and comes first. */
function orderStatuses(rows: readonly CfdRow[], columns: readonly ColumnRow[]): Status[] {
  const known = new Set(columns.map((column) => column.key));
  const used = new Set(rows.map((row) => row.status));
  const gone = [...used].filter((key) => !known.has(key)).map((key) => ({ key, name: key }));
  const present = columns.filter((column) => used.has(column.key));
  return [...gone, ...present.map(({ key, name }) => ({ key, name }))];
}
