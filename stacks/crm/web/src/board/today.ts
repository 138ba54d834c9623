/** Days as YYYY-MM-DD in the reader's own time zone, and how a due date stands against today. */

export type DueState = 'overdue' | 'today' | 'later';

export function todayOf(now: Date): string {
  const month = String(now.getMonth() + 1).padStart(2, '0');
  return `${now.getFullYear()}-${month}-${String(now.getDate()).padStart(2, '0')}`;
}

/** A card that is done is never late. */
export function dueState(due: string, today: string, isDone: boolean): DueState {
  if (isDone || due > today) return 'later';
  return due < today ? 'overdue' : 'today';
}

/** A day in the words of a language, with the year only when it is another one. */
export function formatDay(day: string, today: string, language: string): string {
  const withYear = day.slice(0, 4) !== today.slice(0, 4);
  return new Intl.DateTimeFormat(language, {
    day: 'numeric',
    month: 'short',
    ...(withYear ? { year: 'numeric' } : {}),
    timeZone: 'UTC',
  }).format(new Date(`${day}T00:00:00Z`));
}
