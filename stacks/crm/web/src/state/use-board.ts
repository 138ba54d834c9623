/** Loads a board and shows it with the changes that are on their way. */
import { useQuery, useMutationState } from '@tanstack/react-query';
import { useMemo } from 'react';
import { loadCards, loadColumns } from '../api/cards';
import { toFailure, type Failure } from '../api/failure';
import type { LiveStatus } from '../api/live';
import { toBoardData } from './board-data';
import { viewBoard, type BoardView, type Change } from './board-view';
import type { Journal } from './journal';
import { keys } from './query';

// Without realtime the board is read again at this pace, so that a window never lies for long.
const POLL_MS = 15_000;

interface LoadedBoard {
  readonly view: BoardView | null;
  readonly failure: Failure | null;
  readonly reading: boolean;
  readonly reload: () => void;
}

export function useBoard(boardId: string, journal: Journal, live: LiveStatus): LoadedBoard {
  const query = useQuery({
    queryKey: keys.board(boardId),
    queryFn: ({ signal }) =>
      journal.during(async () => {
        const [columns, cards] = await Promise.all([
          loadColumns(boardId),
          loadCards(boardId, signal),
        ]);
        return toBoardData(columns, cards);
      }),
    staleTime: Number.POSITIVE_INFINITY,
    refetchInterval: live === 'live' ? false : POLL_MS,
  });
  const pending = useMutationState({
    filters: { mutationKey: keys.changes(boardId), status: 'pending' },
    select: (mutation) => mutation.state.variables as Change,
  });

  const { data, error, isFetching, refetch } = query;
  const view = useMemo(() => (data ? viewBoard(data, pending) : null), [data, pending]);
  const failure = useMemo(() => (error ? toFailure(error) : null), [error]);
  return { view, failure, reading: isFetching, reload: () => void refetch() };
}
