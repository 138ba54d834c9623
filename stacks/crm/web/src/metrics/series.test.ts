import { describe, expect, it } from 'vitest';
import { burndownDays, firstDay, flowDays, histogram, percentile, sinceStart } from './series';

function cycles(days: readonly number[]) {
  return days.map((day, index) => ({
    id: String(index),
    title: '',
    done_at: '2026-01-01',
    cycle_hours: day * 24,
  }));
}

describe('percentile', () => {
  it.each([
    [[], 0.5, null],
    [[7], 0.85, 7],
    [[4, 1, 3, 2], 0.5, 2],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.85, 9],
  ])('of %j at %d is %s', (values, share, expected) => {
    expect(percentile(values, share)).toBe(expected);
  });
});

describe('histogram', () => {
  it('counts every card once', () => {
    const bins = histogram(cycles([0, 0.5, 1, 1.5, 2, 9, 30]));
    expect(bins.reduce((sum, bin) => sum + bin.count, 0)).toBe(7);
  });

  it('puts a whole day into the bin that ends there', () => {
    expect(histogram(cycles([1, 2])).map((bin) => bin.count)).toEqual([1, 1]);
  });

  it('gathers the longest in an open bin', () => {
    const bins = histogram(cycles([...new Array<number>(39).fill(1), 400]));
    expect(bins.at(-1)).toEqual({ from: 1, to: null, count: 1 });
  });

  it('is empty without cards', () => {
    expect(histogram([])).toEqual([]);
  });
});

describe('flowDays', () => {
  it('makes one entry a day, in order', () => {
    const row = (day: string, status: string, count: number) => ({
      day,
      status,
      count,
      stage: 'todo' as const,
    });
    expect(
      flowDays([row('2026-01-02', 'a', 2), row('2026-01-01', 'a', 1), row('2026-01-02', 'b', 5)]),
    ).toEqual([
      { day: '2026-01-01', a: 1 },
      { day: '2026-01-02', a: 2, b: 5 },
    ]);
  });
});

describe('sinceStart', () => {
  it('counts done from the first day and leaves the rest as it is', () => {
    const row = (day: string, stage: 'todo' | 'done', count: number) => ({
      day,
      stage,
      status: stage,
      count,
    });
    const rows = [
      row('2026-01-01', 'done', 900),
      row('2026-01-01', 'todo', 5),
      row('2026-01-02', 'done', 904),
    ];
    expect(sinceStart(rows).map(({ count }) => count)).toEqual([0, 5, 4]);
  });
});

describe('burndownDays', () => {
  it('leaves out of scope what was done before the period', () => {
    const row = (day: string, scope_cards: number, remaining_cards: number) => ({
      day,
      scope_cards,
      remaining_cards,
      scope_points: 0,
      remaining_points: 0,
    });
    const rows = [row('2026-01-01', 100, 10), row('2026-01-02', 105, 8)];
    expect(burndownDays(rows, 'cards')).toEqual([
      { day: '2026-01-01', scope: 10, remaining: 10 },
      { day: '2026-01-02', scope: 15, remaining: 8 },
    ]);
  });
});

describe('firstDay', () => {
  it('counts today as one of the days', () => {
    expect(firstDay(new Date('2026-03-01T12:00:00Z'), 30)).toBe('2026-01-31');
  });
});
