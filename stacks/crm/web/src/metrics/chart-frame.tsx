/** What every chart shares: title, one sentence of meaning, and its numbers as a table for who cannot see it. */
import type { ReactElement } from 'react';
import { ResponsiveContainer } from 'recharts';
import { useI18n } from '../i18n/i18n';
import styles from './chart-frame.module.css';

export interface NumberTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

interface ChartFrameProps {
  readonly title: string;
  readonly note: string;
  readonly table: NumberTable;
  readonly children: ReactElement;
}

export function ChartFrame({ title, note, table, children }: ChartFrameProps) {
  const { t } = useI18n();
  return (
    <figure className={styles.frame} aria-label={title}>
      <figcaption>
        <h2 className={styles.title}>{title}</h2>
        <p className={styles.note}>{note}</p>
      </figcaption>
      {table.rows.length === 0 ? (
        <p className={styles.empty}>{t('metrics.empty')}</p>
      ) : (
        <>
          <div className={styles.chart} aria-hidden="true">
            <ResponsiveContainer width="100%" height="100%">
              {children}
            </ResponsiveContainer>
          </div>
          <details className={styles.details}>
            <summary>{t('metrics.data')}</summary>
            <NumbersAsTable {...table} />
          </details>
        </>
      )}
    </figure>
  );
}

function NumbersAsTable({ head, rows }: NumberTable) {
  return (
    // A table that scrolls must be reachable by keyboard.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className={styles.scroll} tabIndex={0}>
      <table className={styles.table}>
        <thead>
          <tr>
            {head.map((text) => (
              <th key={text} scope="col">
                {text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, index) => (
            <tr key={`${String(index)}:${cells[0] ?? ''}`}>
              {cells.map((text, column) => (
                <td key={head[column]}>{text}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
