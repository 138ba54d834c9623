// @vitest-environment jsdom
import '../test-setup';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { I18nProvider } from '../i18n/i18n';
import { column } from '../state/fixtures';
import { EMPTY_DRAFT, TaskForm } from './task-form';

function show() {
  const onSubmit = vi.fn();
  render(
    <I18nProvider>
      <TaskForm
        initial={{ ...EMPTY_DRAFT, title: 'Moor the ship', labels: ['pier'] }}
        columns={[column('todo', 0), column('doing', 1)]}
        columnId="column-todo"
        members={[{ user_id: 'u1', role: 'owner', email: 'ada@example.com' }]}
        knownLabels={['pier', 'light']}
        onSubmit={onSubmit}
      >
        <button type="submit">Save</button>
      </TaskForm>
    </I18nProvider>,
  );
  return { onSubmit, person: userEvent.setup({ delay: null }) };
}

it('gives back every field that was filled', async () => {
  const { onSubmit, person } = show();
  await person.type(screen.getByLabelText('Title'), ' now');
  await person.selectOptions(screen.getByLabelText('Column'), 'doing');
  await person.selectOptions(screen.getByLabelText('Assignee'), 'ada@example.com');
  await person.selectOptions(screen.getByLabelText('Priority'), 'urgent');
  await person.selectOptions(screen.getByLabelText('Type'), 'bug');
  await person.type(screen.getByLabelText('Due date'), '2026-12-24');
  await person.type(screen.getByLabelText('Estimate, points'), '8');
  await person.click(screen.getByRole('button', { name: 'Save' }));
  expect(onSubmit).toHaveBeenCalledExactlyOnceWith(
    {
      ...EMPTY_DRAFT,
      title: 'Moor the ship now',
      assignee: 'u1',
      priority: 1,
      type: 'bug',
      due_date: '2026-12-24',
      estimate: 8,
      labels: ['pier'],
    },
    'column-doing',
  );
});

it('adds labels by Enter and comma, each once, and removes them', async () => {
  const { onSubmit, person } = show();
  await person.type(screen.getByLabelText('Labels'), 'light{Enter}fog,pier,');
  expect(onSubmit).not.toHaveBeenCalled();
  await person.click(screen.getByRole('button', { name: 'Remove the label fog' }));
  await person.click(screen.getByRole('button', { name: 'Save' }));
  expect(onSubmit).toHaveBeenCalledExactlyOnceWith(
    expect.objectContaining({ labels: ['pier', 'light'] }),
    'column-todo',
  );
});

it('does not save a title of spaces', async () => {
  const { onSubmit, person } = show();
  await person.clear(screen.getByLabelText('Title'));
  await person.type(screen.getByLabelText('Title'), '   ');
  await person.click(screen.getByRole('button', { name: 'Save' }));
  expect(onSubmit).not.toHaveBeenCalled();
});
