import { describe, expect, it } from 'vitest';
import { task } from '../state/fixtures';
import {
  filterFromSearch,
  filterToSearch,
  isFiltering,
  matches,
  NO_FILTER,
  NOBODY,
} from './filter';
import { dueState, formatDay, todayOf } from './today';

const TODAY = '2026-03-10';
const urgent = task('Fix the harbour lamp', {
  priority: 1,
  labels: ['Light', 'pier'],
  assignee: 'ada',
  due_date: '2026-03-09',
});

describe('matches', () => {
  it.each([
    [{ text: 'lamp FIX' }, true],
    [{ text: 'light lamp' }, true],
    [{ text: 'lamp boat' }, false],
    [{ text: '   ' }, true],
    [{ label: 'pier' }, true],
    [{ label: 'Pier' }, false],
    [{ priority: 1 as const }, true],
    [{ priority: 2 as const }, false],
    [{ assignee: 'ada' }, true],
    [{ assignee: NOBODY }, false],
    [{ due: 'overdue' as const }, true],
    [{ due: 'week' as const }, false],
    [{ due: 'none' as const }, false],
    [{ text: 'lamp', priority: 2 as const }, false],
  ])('%j', (part, expected) => {
    expect(matches(urgent, { ...NO_FILTER, ...part }, TODAY)).toBe(expected);
  });

  it.each([
    ['2026-03-10', true],
    ['2026-03-17', true],
    ['2026-03-18', false],
    [null, false],
  ])('finds a date of %s within the week: %s', (due_date, expected) => {
    const filter = { ...NO_FILTER, due: 'week' as const };
    expect(matches(task('t', { due_date }), filter, TODAY)).toBe(expected);
  });
});

describe('the filter in the address', () => {
  it('comes back as it went', () => {
    const filter = {
      text: 'a&b',
      assignee: NOBODY,
      label: 'x y',
      priority: 2,
      due: 'none',
    } as const;
    expect(filterFromSearch(filterToSearch(filter, new URLSearchParams()))).toEqual(filter);
  });

  it('ignores what it does not know', () => {
    const search = new URLSearchParams('priority=9&due=never');
    expect(isFiltering(filterFromSearch(search))).toBe(false);
  });

  it('keeps other parameters', () => {
    const search = filterToSearch(NO_FILTER, new URLSearchParams('q=x&theme=1'));
    expect(search.toString()).toBe('theme=1');
  });
});

describe('due dates', () => {
  it.each([
    ['2026-03-09', false, 'overdue'],
    ['2026-03-10', false, 'today'],
    ['2026-03-11', false, 'later'],
    ['2026-03-09', true, 'later'],
  ])('%s with done=%s is %s', (due, isDone, state) => {
    expect(dueState(due, TODAY, isDone)).toBe(state);
  });

  it('names the year only when it is another one', () => {
    expect(formatDay('2026-12-01', TODAY, 'en')).toBe('Dec 1');
    expect(formatDay('2027-12-01', TODAY, 'en')).toBe('Dec 1, 2027');
  });

  it('takes the day of the reader, not of UTC', () => {
    expect(todayOf(new Date(2026, 2, 9, 23, 59))).toBe('2026-03-09');
  });
});
