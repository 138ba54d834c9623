import { describe, expect, it } from 'vitest';
import { viewBoard, type BoardView } from '../state/board-view';
import { board } from '../state/fixtures';
import { fullIndex, markIndex, neighbour, placeAtPoint, stepPlace } from './placing';
import { shorten, STEP } from './shorten';

const view = viewBoard(board({ todo: ['a', 'b', 'c', 'd'], doing: [], done: ['x', 'y'] }), []);
const todo = cards(view, 0);

function cards(from: BoardView, index: number) {
  return from[index]?.cards ?? [];
}

function only(...names: string[]) {
  return todo.filter(({ task }) => names.includes(task.title));
}

describe('fullIndex', () => {
  it('is the same index when everything is shown', () => {
    expect([0, 1, 2, 3].map((index) => fullIndex(todo, todo, index, 'card-x'))).toEqual([
      0, 1, 2, 3,
    ]);
  });

  it('is right after the card that is seen above, past the hidden ones', () => {
    expect(fullIndex(todo, only('a', 'c'), 1, 'card-x')).toBe(1);
    expect(fullIndex(todo, only('a', 'c'), 2, 'card-x')).toBe(3);
  });

  it('is right before the first card that is seen when put on top', () => {
    expect(fullIndex(todo, only('c'), 0, 'card-x')).toBe(2);
  });

  it('is the end of a column of which nothing is seen', () => {
    expect(fullIndex(todo, [], 0, 'card-x')).toBe(4);
  });

  it('does not count the moved card itself', () => {
    expect(fullIndex(todo, todo, 3, 'card-a')).toBe(3);
  });
});

describe('markIndex', () => {
  it('is nowhere when the card would stay where it is', () => {
    expect(markIndex(todo, todo, 'card-b', 1)).toBeNull();
  });

  it.each([
    [0, 0],
    [2, 3],
    [3, 4],
  ])('for index %i stands before shown card %i', (index, mark) => {
    expect(markIndex(todo, todo, 'card-b', index)).toBe(mark);
  });
});

describe('stepPlace', () => {
  it.each([
    ['card-a', 'ArrowUp', null],
    ['card-a', 'ArrowDown', { columnId: 'column-todo', index: 1 }],
    ['card-d', 'ArrowDown', null],
    ['card-a', 'ArrowLeft', null],
    ['card-c', 'ArrowRight', { columnId: 'column-doing', index: 0 }],
    ['card-y', 'ArrowRight', null],
    ['gone', 'ArrowUp', null],
  ] as const)('carries %s by %s', (cardId, arrow, place) => {
    expect(stepPlace(view, cardId, arrow)).toEqual(place);
  });
});

describe('neighbour', () => {
  it.each([
    ['card-a', 'ArrowDown', 'card-b'],
    ['card-a', 'ArrowUp', null],
    ['card-d', 'ArrowRight', 'card-y'],
    ['card-x', 'ArrowLeft', 'card-a'],
    ['card-y', 'ArrowRight', null],
  ] as const)('of %s by %s, over empty columns, is %s', (cardId, arrow, next) => {
    expect(neighbour(view, cardId, arrow)).toBe(next);
  });
});

describe('placeAtPoint', () => {
  const box = (id: string, left: number, top: number) => ({
    id,
    left,
    right: left + 100,
    top,
    bottom: top + 40,
  });
  const columns = [box('one', 0, 0), box('two', 120, 0)];
  const inside = () => [box('p', 0, 0), box('q', 0, 50)];

  it.each([
    [
      { x: 10, y: 5 },
      { columnId: 'one', index: 0 },
    ],
    [
      { x: 10, y: 30 },
      { columnId: 'one', index: 1 },
    ],
    [
      { x: 130, y: 500 },
      { columnId: 'two', index: 2 },
    ],
    [
      { x: 118, y: 5 },
      { columnId: 'two', index: 0 },
    ],
    [
      { x: -50, y: 5 },
      { columnId: 'one', index: 0 },
    ],
  ])('at %j', (point, place) => {
    expect(placeAtPoint(point, columns, inside)).toEqual(place);
  });

  it('is nowhere without columns', () => {
    expect(placeAtPoint({ x: 0, y: 0 }, [], inside)).toBeNull();
  });
});

describe('shorten', () => {
  const names = Array.from({ length: 120 }, (_, index) => `n${String(index).padStart(3, '0')}`);
  const long = viewBoard(board({ todo: names, done: ['x'] }), []);

  it('shows the first cards of a long column and all of a short one', () => {
    expect(shorten(long, new Map(), null).map((each) => each.cards.length)).toEqual([STEP, 1]);
  });

  it('shows more when asked', () => {
    const more = shorten(long, new Map([['column-todo', 100]]), null);
    expect(cards(more, 0)).toHaveLength(100);
  });

  it('makes room for a card that is carried in', () => {
    const place = { columnId: 'column-todo', index: STEP };
    const carried = shorten(long, new Map(), { cardId: 'card-x', by: 'keyboard', place });
    expect(cards(carried, 0)).toHaveLength(STEP + 1);
  });
});
