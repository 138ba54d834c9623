/** Which cards of the board are shown. The filter lives in the address, so that it can be shared. Pure. */
import { PRIORITIES, type Priority, type TaskRow } from '../api/rows';

export const DUE_FILTERS = ['overdue', 'week', 'none'] as const;
export type DueFilter = (typeof DUE_FILTERS)[number];

/** `nobody` stands for "no assignee"; null is "any" everywhere. */
export interface Filter {
  readonly text: string;
  readonly assignee: string | null;
  readonly label: string | null;
  readonly priority: Priority | null;
  readonly due: DueFilter | null;
}

export const NOBODY = 'nobody';
export const NO_FILTER: Filter = {
  text: '',
  assignee: null,
  label: null,
  priority: null,
  due: null,
};

export function isFiltering(filter: Filter): boolean {
  return filter.text.trim() !== '' || countChoices(filter) > 0;
}

/** How many of the choices beside the text are set. */
export function countChoices({ assignee, label, priority, due }: Filter): number {
  return [assignee, label, priority, due].filter((choice) => choice !== null).length;
}

/** @param today the day of the reader, as YYYY-MM-DD */
export function matches(task: TaskRow, filter: Filter, today: string): boolean {
  return (
    matchesAssignee(task, filter.assignee) &&
    (filter.label === null || task.labels.includes(filter.label)) &&
    (filter.priority === null || task.priority === filter.priority) &&
    matchesDue(task, filter.due, today) &&
    matchesText(task, filter.text)
  );
}

/** Every word must be in the title or in a label, in any order. */
function matchesText(task: TaskRow, text: string): boolean {
  const words = text.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const hay = [task.title, ...task.labels].join('\n').toLocaleLowerCase();
  return words.every((word) => hay.includes(word));
}

function matchesAssignee(task: TaskRow, assignee: string | null): boolean {
  if (assignee === null) return true;
  return assignee === NOBODY ? task.assignee === null : task.assignee === assignee;
}

function matchesDue(task: TaskRow, due: DueFilter | null, today: string): boolean {
  if (due === null) return true;
  if (task.due_date === null) return due === 'none';
  if (due === 'overdue') return task.due_date < today;
  return due === 'week' && task.due_date >= today && task.due_date <= addDays(today, 7);
}

/** @returns the day that many days later, both as YYYY-MM-DD */
export function addDays(day: string, count: number): string {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + count);
  return date.toISOString().slice(0, 10);
}

export function filterFromSearch(search: URLSearchParams): Filter {
  const priority = Number(search.get('priority'));
  return {
    text: search.get('q') ?? '',
    assignee: search.get('assignee'),
    label: search.get('label'),
    priority: PRIORITIES.find((each) => each === priority) ?? null,
    due: DUE_FILTERS.find((each) => each === search.get('due')) ?? null,
  };
}

/** The other parameters of the address are kept. */
export function filterToSearch(filter: Filter, search: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams(search);
  const values: Record<string, string | null> = {
    q: filter.text || null,
    assignee: filter.assignee,
    label: filter.label,
    priority: filter.priority === null ? null : String(filter.priority),
    due: filter.due,
  };
  for (const [name, value] of Object.entries(values)) {
    if (value === null) next.delete(name);
    else next.set(name, value);
  }
  return next;
}
