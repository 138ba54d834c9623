// @vitest-environment jsdom
import '../test-setup';
import { render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { I18nProvider } from '../i18n/i18n';
import { viewBoard } from '../state/board-view';
import { board, column } from '../state/fixtures';
import { ToastProvider } from '../ui/toasts';
import { BoardGrid } from './board-grid';
import { NO_FILTER, type Filter } from './filter';

const data = board({ todo: ['alpha', 'beta'], doing: ['gamma'], done: [] });

function show({
  filter = NO_FILTER,
  limit = null as number | null,
}: { filter?: Filter; limit?: number | null } = {}) {
  const columns = new Map(data.columns).set('column-doing', column('doing', 1, limit));
  const onMove = vi.fn();
  const onOpen = vi.fn();
  const onAdd = vi.fn();
  render(
    <I18nProvider>
      <ToastProvider>
        <BoardGrid
          view={viewBoard({ ...data, columns }, [])}
          filter={filter}
          today="2026-03-10"
          emails={new Map()}
          onMove={onMove}
          onOpen={onOpen}
          onAdd={onAdd}
        />
      </ToastProvider>
    </I18nProvider>,
  );
  return { onMove, onOpen, onAdd, keys: userEvent.setup({ delay: null }) };
}

function cardButton(title: string): HTMLElement {
  return screen.getByRole('button', { name: new RegExp(title) });
}

function titlesIn(name: string): string[] {
  const cards = within(screen.getByRole('region', { name })).queryAllByTestId('card');
  return cards.map((card) => /alpha|beta|gamma/.exec(card.textContent)?.[0] ?? '');
}

it('carries a card to another column by keyboard and says where it is', async () => {
  const { keys, onMove } = show();
  cardButton('alpha').focus();
  await keys.keyboard(' {ArrowRight}{ArrowDown}');
  expect(titlesIn('doing')).toEqual(['gamma', 'alpha']);
  expect(cardButton('alpha')).toHaveFocus();
  expect(screen.getByTestId('said')).toHaveTextContent('doing, 2 of 2.');
  await keys.keyboard(' ');
  expect(onMove).toHaveBeenCalledExactlyOnceWith('card-alpha', {
    columnId: 'column-doing',
    index: 1,
  });
  expect(cardButton('alpha')).toHaveFocus();
});

it('puts a card back with Escape', async () => {
  const { keys, onMove } = show();
  cardButton('alpha').focus();
  await keys.keyboard(' {ArrowRight}{Escape}');
  expect(titlesIn('todo')).toEqual(['alpha', 'beta']);
  expect(onMove).not.toHaveBeenCalled();
});

it('refuses a card in a full column and says why', async () => {
  const { keys, onMove } = show({ limit: 1 });
  cardButton('alpha').focus();
  await keys.keyboard(' {ArrowRight} ');
  expect(onMove).not.toHaveBeenCalled();
  expect(screen.getByTestId('toast')).toHaveTextContent('doing is full: its limit is 1.');
  expect(titlesIn('todo')).toEqual(['alpha', 'beta']);
});

it('moves inside a full column', async () => {
  const { keys, onMove } = show({ limit: 1 });
  cardButton('beta').focus();
  await keys.keyboard(' {ArrowUp} ');
  expect(onMove).toHaveBeenCalledExactlyOnceWith('card-beta', {
    columnId: 'column-todo',
    index: 0,
  });
});

it('walks with the arrows and opens with Enter', async () => {
  const { keys, onOpen } = show();
  cardButton('alpha').focus();
  await keys.keyboard('{ArrowDown}{ArrowRight}{Enter}');
  expect(onOpen).toHaveBeenCalledExactlyOnceWith('card-gamma');
});

it('hides what the filter does not match but counts it against the limit', () => {
  show({ filter: { ...NO_FILTER, text: 'alpha' }, limit: 3 });
  expect(screen.getAllByTestId('card')).toHaveLength(1);
  expect(screen.getByTestId('wip')).toHaveTextContent('1 / 3');
});

it('adds one card after another from the field below a column', async () => {
  const { keys, onAdd } = show();
  await keys.click(screen.getByRole('button', { name: 'Add a card to done' }));
  await keys.keyboard('first{Enter}second{Enter}');
  expect(onAdd.mock.calls).toEqual([
    ['column-done', 'first'],
    ['column-done', 'second'],
  ]);
});
