/** How work flows over the board: four questions, each with its chart and its numbers. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { loadColumns } from '../api/cards';
import { toFailure } from '../api/failure';
import { loadMetrics, type Metrics } from '../api/metrics';
import type { BoardRow, ColumnRow } from '../api/rows';
import { useI18n } from '../i18n/i18n';
import { keys } from '../state/query';
import { Button } from '../ui/button';
import { failureText } from '../ui/failure-text';
import { Loading, PageState } from '../ui/page-state';
import { Segments } from '../ui/segments';
import { BurndownChart } from './burndown-chart';
import { CfdChart } from './cfd-chart';
import { CycleChart } from './cycle-chart';
import { HistogramChart } from './histogram-chart';
import styles from './metrics-page.module.css';
import { firstDay } from './series';
import { Summary } from './summary';
import type { Unit } from './unit';
import { VelocityChart } from './velocity-chart';

const RANGES = [30, 90, 180] as const;
const REFRESH_MS = 60_000;

export default function MetricsPage({ board }: { board: BoardRow }) {
  const { t } = useI18n();
  const [range, setRange] = useState<number>(30);
  const [unit, setUnit] = useState<Unit>('cards');
  const since = firstDay(new Date(), range);
  const metrics = useQuery({
    queryKey: keys.metrics(board.id, since),
    queryFn: async () => {
      const [found, columns] = await Promise.all([
        loadMetrics(board.id, since),
        loadColumns(board.id),
      ]);
      return { ...found, columns };
    },
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
  return (
    <div className={styles.page} data-testid="metrics">
      <header className={styles.header}>
        <h1 className={styles.title}>{t('metrics.title')}</h1>
        <Segments
          label={t('metrics.unit')}
          value={unit}
          options={[
            ['cards', t('metrics.cards')],
            ['points', t('metrics.points')],
          ]}
          onChange={setUnit}
        />
        <Segments
          label={t('metrics.range')}
          value={String(range)}
          options={RANGES.map((days) => [String(days), t('metrics.rangeDays', { count: days })])}
          onChange={(days) => {
            setRange(Number(days));
          }}
        />
      </header>
      {metrics.isPending && <Loading label={t('state.loading')} />}
      {metrics.isError && !metrics.data && (
        <PageState
          failed
          title={t('metrics.failed')}
          detail={failureText(toFailure(metrics.error), t)}
        >
          <Button look="primary" onClick={() => void metrics.refetch()}>
            {t('action.retry')}
          </Button>
        </PageState>
      )}
      {metrics.data && <Charts metrics={metrics.data} columns={metrics.data.columns} unit={unit} />}
    </div>
  );
}

interface ChartsProps {
  readonly metrics: Metrics;
  readonly columns: readonly ColumnRow[];
  readonly unit: Unit;
}

function Charts({ metrics, columns, unit }: ChartsProps) {
  const { t } = useI18n();
  if (metrics.cfd.length === 0) {
    return <PageState title={t('metrics.empty')} detail={t('metrics.emptyDetail')} />;
  }
  return (
    <>
      <Summary metrics={metrics} />
      <div className={styles.charts}>
        <CfdChart rows={metrics.cfd} columns={columns} />
        <BurndownChart rows={metrics.burndown} unit={unit} />
        <CycleChart cycles={metrics.cycles} />
        <HistogramChart cycles={metrics.cycles} />
        <VelocityChart rows={metrics.velocity} unit={unit} />
      </div>
    </>
  );
}
