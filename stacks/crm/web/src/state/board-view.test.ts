import { describe, expect, it } from 'vitest';
import { EMPTY_DRAFT } from '../board/task-form';
import { applyChange, changedFields, isFull, placeOf, viewBoard, type Change } from './board-view';
import { board, column, titles } from './fixtures';

const data = board({ todo: ['a', 'b', 'c'], doing: ['d'], done: [] });

function move(name: string, key: string, index: number | null): Change {
  return { kind: 'move', cardId: `card-${name}`, place: { columnId: `column-${key}`, index } };
}

describe('viewBoard', () => {
  it('orders columns and cards by position', () => {
    expect(titles(viewBoard(data, []))).toEqual({ todo: ['a', 'b', 'c'], doing: ['d'], done: [] });
  });

  it('orders cards of equal position by id, so that two windows agree', () => {
    const cards = new Map([...data.cards].map(([id, card]) => [id, { ...card, position: 5 }]));
    expect(titles(viewBoard({ ...data, cards }, [])).todo).toEqual(['a', 'b', 'c']);
  });

  it('leaves out a card whose task has not come yet', () => {
    const tasks = new Map([...data.tasks].filter(([id]) => id !== 'task-b'));
    expect(titles(viewBoard({ ...data, tasks }, [])).todo).toEqual(['a', 'c']);
  });

  it('applies waiting changes in the order in which they were made', () => {
    const view = viewBoard(data, [move('a', 'doing', 0), move('a', 'done', null)]);
    expect(titles(view)).toEqual({ todo: ['b', 'c'], doing: ['d'], done: ['a'] });
  });

  it('is what it was when a waiting change is gone: the rollback', () => {
    expect(viewBoard(data, [])).toEqual(viewBoard(data, [move('a', 'done', 0)].slice(1)));
  });
});

describe('applyChange', () => {
  const view = viewBoard(data, []);

  it.each([
    [0, ['c', 'a', 'b']],
    [1, ['a', 'c', 'b']],
    [2, ['a', 'b', 'c']],
    [null, ['a', 'b', 'c']],
  ])('moves inside a column to index %s among the other cards', (index, order) => {
    expect(titles(applyChange(view, move('c', 'todo', index))).todo).toEqual(order);
  });

  it('changes nothing when the card is gone', () => {
    expect(applyChange(view, move('nobody', 'done', 0))).toBe(view);
  });

  it('changes nothing when the column is gone', () => {
    expect(applyChange(view, move('a', 'nowhere', 0))).toBe(view);
  });

  it('shows a new card at the end of its column at once', () => {
    const draft = { ...EMPTY_DRAFT, title: 'new' };
    const next = applyChange(view, {
      kind: 'create',
      temporaryId: 'x',
      columnId: 'column-doing',
      draft,
    });
    expect(titles(next).doing).toEqual(['d', 'new']);
  });

  it('hides an archived card at once', () => {
    expect(titles(applyChange(view, { kind: 'archive', cardId: 'card-a' })).todo).toEqual([
      'b',
      'c',
    ]);
  });

  it('shows only the edited fields as changed', () => {
    const next = applyChange(view, { kind: 'edit', taskId: 'task-a', patch: { title: 'A' } });
    expect(next[0]?.cards[0]?.task).toMatchObject({ title: 'A', priority: 3 });
  });
});

describe('isFull', () => {
  const view = viewBoard(
    { ...data, columns: new Map([['column-doing', column('doing', 0, 1)]]) },
    [],
  );
  const doing = view[0];
  if (!doing) throw new Error('no column');

  it('refuses one more card at the limit', () => {
    expect(isFull(doing, 'card-a')).toBe(true);
  });

  it('lets a card move inside a full column', () => {
    expect(isFull(doing, 'card-d')).toBe(false);
  });

  it('never refuses without a limit', () => {
    expect(isFull({ ...doing, column: column('doing', 0, null) }, 'card-a')).toBe(false);
  });
});

describe('placeOf', () => {
  it('is the column and the index', () => {
    expect(placeOf(viewBoard(data, []), 'card-b')).toEqual({ columnId: 'column-todo', index: 1 });
  });
});

describe('changedFields', () => {
  it('names only what differs', () => {
    const after = { ...EMPTY_DRAFT, labels: ['x'], title: 't' };
    expect(changedFields(EMPTY_DRAFT, after)).toEqual({ labels: ['x'], title: 't' });
  });

  it('is null when nothing differs', () => {
    expect(changedFields(EMPTY_DRAFT, { ...EMPTY_DRAFT, labels: [] })).toBeNull();
  });
});
