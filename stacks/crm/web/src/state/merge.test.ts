import { describe, expect, it } from 'vitest';
import type { LiveChange } from '../api/live';
import { missingTasks } from './board-data';
import { viewBoard } from './board-view';
import { board, card, task, titles } from './fixtures';
import { Journal } from './journal';
import { mergeCard, mergeChanges } from './merge';

const data = board({ todo: ['a', 'b'], done: ['c'] });
const LATER = '2026-01-01T10:00:01+00:00';
const LATEST = '2026-01-01T10:00:02+00:00';

function cardChange(name: string, key: string, position: number, updated_at = LATER): LiveChange {
  const row = { ...card(name, key, position), updated_at };
  return { table: 'card', id: row.id, row: { ...row, created_at: LATER, board_id: 'x' } };
}

function view(after: typeof data) {
  return titles(viewBoard(after, []));
}

describe('mergeChanges', () => {
  it('moves a card that another window moved', () => {
    expect(view(mergeChanges(data, [cardChange('a', 'done', 1)]))).toEqual({
      todo: ['b'],
      done: ['a', 'c'],
    });
  });

  it('shows a card once when the news of it come twice', () => {
    const change = cardChange('a', 'done', 1);
    expect(mergeChanges(data, [change, change])).toEqual(mergeChanges(data, [change]));
  });

  it('keeps the newer row when older news come late', () => {
    const after = mergeChanges(data, [
      cardChange('a', 'done', 1, LATEST),
      cardChange('a', 'todo', 9, LATER),
    ]);
    expect(view(after).done).toEqual(['a', 'c']);
  });

  it('compares instants, not texts', () => {
    const sameInstant = mergeCard(data, {
      ...card('a', 'done', 1),
      updated_at: '2026-01-01 13:00:00+03',
    });
    expect(view(sameInstant).done).toEqual(['a', 'c']);
  });

  it('takes an archived card off the board', () => {
    const row = { ...card('a', 'todo', 1), archived: true, updated_at: LATER };
    const after = mergeChanges(data, [{ table: 'card', id: row.id, row: { ...row } }]);
    expect(view(after).todo).toEqual(['b']);
  });

  it('removes a deleted card, and ignores the deletion of one from another board', () => {
    const after = mergeChanges(data, [
      { table: 'card', id: 'card-a', row: null },
      { table: 'card', id: 'card-of-another-board', row: null },
    ]);
    expect(view(after).todo).toEqual(['b']);
  });

  it('keeps only the columns that the board shows', () => {
    const row = { ...task('a'), description: 'long', updated_at: LATER };
    const after = mergeChanges(data, [{ table: 'task', id: row.id, row }]);
    expect(after.tasks.get('task-a')).not.toHaveProperty('description');
  });

  it('leaves the board that it was given as it was', () => {
    mergeChanges(data, [cardChange('a', 'done', 1)]);
    expect(view(data).todo).toEqual(['a', 'b']);
  });
});

describe('missingTasks', () => {
  it('names the task of a card that came alone', () => {
    expect(missingTasks(mergeChanges(data, [cardChange('new', 'todo', 1)]))).toEqual(['task-new']);
  });
});

describe('Journal', () => {
  it('puts news that came during a read on top of what was read', async () => {
    const journal = new Journal();
    let answer: (value: typeof data) => void = () => undefined;
    const reading = journal.during(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    journal.note([cardChange('a', 'done', 1)]);
    answer(data);
    expect(view(await reading).done).toEqual(['a', 'c']);
  });

  it('forgets news when nothing is being read', async () => {
    const journal = new Journal();
    journal.note([cardChange('a', 'done', 1)]);
    expect(await journal.during(() => Promise.resolve(data))).toBe(data);
  });
});
