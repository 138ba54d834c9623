/** From rows of the metric views to what the charts draw. Pure. */
import type { BurndownRow, CfdRow, CycleRow } from '../api/metrics';
import { addDays } from '../board/filter';

export const HOURS_A_DAY = 24;

/** One entry a day, with the count of each status under its key. */
export type FlowDay = Readonly<Record<string, number | string>> & { readonly day: string };

export function flowDays(rows: readonly CfdRow[]): FlowDay[] {
  const days = new Map<string, Record<string, number | string> & { day: string }>();
  for (const { day, status, count } of rows) {
    const entry = days.get(day) ?? { day };
    entry[status] = count;
    days.set(day, entry);
  }
  return [...days.values()].sort((a, b) => a.day.localeCompare(b.day));
}

/** Done counted from the first day of the period: the whole past would press the other bands flat. */
export function sinceStart(rows: readonly CfdRow[]): CfdRow[] {
  const first = rows.reduce((least, { day }) => (day < least ? day : least), rows[0]?.day ?? '');
  const before = new Map(
    rows
      .filter((row) => row.day === first && row.stage === 'done')
      .map((row) => [row.status, row.count]),
  );
  return rows.map((row) => {
    const past = row.stage === 'done' ? (before.get(row.status) ?? 0) : 0;
    return { ...row, count: Math.max(0, row.count - past) };
  });
}

export interface BurndownDay {
  readonly day: string;
  readonly scope: number;
  readonly remaining: number;
}

/** Scope is what was open on the first day and what came since: the work done before is not in question. */
export function burndownDays(
  rows: readonly BurndownRow[],
  unit: 'cards' | 'points',
): BurndownDay[] {
  const first = rows[0];
  const before = first ? first[`scope_${unit}`] - first[`remaining_${unit}`] : 0;
  return rows.map((row) => ({
    day: row.day,
    scope: row[`scope_${unit}`] - before,
    remaining: row[`remaining_${unit}`],
  }));
}

/** The value below which that share of the values lies, the nearest-rank way; null for no values. */
export function percentile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

export interface Bin {
  /** The cards took more than `from` and at most `to` days; null is no upper end. */
  readonly from: number;
  readonly to: number | null;
  readonly count: number;
}

/** About ten bins of whole days; what lies above the 95th percentile goes into the last, open one. */
export function histogram(cycles: readonly CycleRow[]): Bin[] {
  const days = cycles.map(cycleDays);
  const reach = percentile(days, 0.95);
  if (reach === null) return [];
  const width = Math.max(1, Math.ceil(reach / 10));
  const closed = Math.max(1, Math.ceil(reach / width));
  const counts = new Array<number>(closed + 1).fill(0);
  for (const day of days) {
    const index = Math.min(Math.max(Math.ceil(day / width) - 1, 0), closed);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  const bins = counts.map((count, index) => ({
    from: index * width,
    to: index === closed ? null : (index + 1) * width,
    count,
  }));
  return bins.at(-1)?.count === 0 ? bins.slice(0, -1) : bins;
}

export function cycleDays(cycle: CycleRow): number {
  return cycle.cycle_hours / HOURS_A_DAY;
}

/** The first day of a period that ends today; days are UTC, as in the views. */
export function firstDay(now: Date, days: number): string {
  return addDays(now.toISOString().slice(0, 10), 1 - days);
}

export function average(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
