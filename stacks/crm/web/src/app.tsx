/** The rooms of the application and the way between them. */
import { QueryClientProvider, useQuery, useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import { Redirect, Route, Switch, useParams } from 'wouter';
import { loadBoards } from './api/boards';
import { toFailure } from './api/failure';
import { watchMembership } from './api/live';
import type { BoardRow } from './api/rows';
import { AuthGate } from './auth/auth-gate';
import { useMe } from './auth/session-context';
import { BoardPage } from './board/board-page';
import { BoardsPage } from './board/boards-page';
import { useI18n } from './i18n/i18n';
import { createQueryClient, keys } from './state/query';
import { Button } from './ui/button';
import { failureText } from './ui/failure-text';
import { Loading, PageState } from './ui/page-state';
import { Shell } from './ui/shell';
import { ToastProvider } from './ui/toasts';

// The charts are most of the weight; the board must not wait for them.
const MetricsPage = lazy(() => import('./metrics/metrics-page'));

export function App() {
  const [client] = useState(createQueryClient);
  const forget = useCallback(() => {
    client.clear();
  }, [client]);
  return (
    <QueryClientProvider client={client}>
      <ToastProvider>
        <AuthGate onUserChange={forget}>
          <Rooms />
        </AuthGate>
      </ToastProvider>
    </QueryClientProvider>
  );
}

function Rooms() {
  const { t } = useI18n();
  const me = useMe();
  const client = useQueryClient();
  const boards = useQuery({ queryKey: keys.boards, queryFn: loadBoards });
  useEffect(
    () =>
      watchMembership(me.id, () => {
        void client.invalidateQueries({ queryKey: keys.boards });
      }),
    [me.id, client],
  );

  if (boards.isPending) return <Loading label={t('state.loading')} />;
  if (!boards.data) {
    return (
      <PageState failed title={t('state.failed')} detail={failureText(toFailure(boards.error), t)}>
        <Button look="primary" onClick={() => void boards.refetch()}>
          {t('action.retry')}
        </Button>
      </PageState>
    );
  }
  return (
    <Switch>
      <Route path="/">
        <Shell boards={boards.data}>
          <BoardsPage boards={boards.data} />
        </Shell>
      </Route>
      <Route path="/boards/:id/:page?">
        <BoardRoom boards={boards.data} />
      </Route>
      <Route>
        <Redirect to="/" />
      </Route>
    </Switch>
  );
}

function BoardRoom({ boards }: { boards: readonly BoardRow[] }) {
  const { t } = useI18n();
  const { id, page } = useParams<{ id: string; page?: string }>();
  const board = boards.find((each) => each.id === id);
  if (!board) {
    return (
      <Shell boards={boards}>
        <PageState failed title={t('board.unknown')} detail={t('board.unknownDetail')} />
      </Shell>
    );
  }
  return (
    <Shell boards={boards} board={board} page={page === 'metrics' ? 'metrics' : 'board'}>
      {page === 'metrics' ? (
        <Suspense fallback={<Loading label={t('state.loading')} />}>
          <MetricsPage key={board.id} board={board} />
        </Suspense>
      ) : (
        <BoardPage key={board.id} board={board} />
      )}
    </Shell>
  );
}
