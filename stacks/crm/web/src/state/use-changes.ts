/**
 * Sends what a person did. While a change is on its way it lies over the loaded board (board-view.ts);
 * when it fails it is simply no longer there, which is the rollback.
 */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { archiveCard, createCard, loadTasks, moveCard, updateTask } from '../api/cards';
import { toFailure, type Failure } from '../api/failure';
import type { BoardData } from './board-data';
import { withoutDescription, type Change } from './board-view';
import { mergeCard, mergeTasks } from './merge';
import { keys, retryChange } from './query';

type Merge = (data: BoardData) => BoardData;

export function useChanges(
  boardId: string,
  onFailure: (failure: Failure, change: Change) => void,
): (change: Change) => void {
  const client = useQueryClient();
  const { mutate } = useMutation({
    mutationKey: keys.changes(boardId),
    // One after the other: a second move of a card must not overtake the first.
    scope: { id: boardId },
    mutationFn: send,
    // A create that got no answer may have happened, and would happen twice.
    retry: (failures, cause) => !(cause instanceof UnsureCreate) && retryChange(failures, cause),
    onSuccess: (merge) => {
      client.setQueryData<BoardData>(keys.board(boardId), (data) => data && merge(data));
    },
    onError: (cause, change) => {
      onFailure(toFailure(cause instanceof UnsureCreate ? cause.cause : cause), change);
      void client.invalidateQueries({ queryKey: keys.board(boardId) });
    },
  });
  return mutate;
}

class UnsureCreate extends Error {}

async function send(change: Change): Promise<Merge> {
  switch (change.kind) {
    case 'move': {
      const card = await moveCard(change.cardId, change.place);
      return (data) => mergeCard(data, card);
    }
    case 'archive': {
      const card = await archiveCard(change.cardId, true);
      return (data) => mergeCard(data, card);
    }
    case 'restore': {
      const card = await archiveCard(change.cardId, false);
      const tasks = await loadTasks([card.task_id]);
      return (data) => mergeTasks(mergeCard(data, card), tasks);
    }
    case 'edit': {
      const task = await updateTask(change.taskId, change.patch);
      return (data) => mergeTasks(data, [task]);
    }
    case 'create':
      return sendCreate(change);
  }
}

async function sendCreate(change: Extract<Change, { kind: 'create' }>): Promise<Merge> {
  const card = await createCard(change.columnId, change.draft).catch((cause: unknown) => {
    throw new UnsureCreate('create_card', { cause });
  });
  const task = {
    id: card.task_id,
    updated_at: card.updated_at,
    ...withoutDescription(change.draft),
  };
  return (data) => mergeTasks(mergeCard(data, card), [task]);
}
