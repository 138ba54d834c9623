/** One board: loads it, keeps it live, and gives every action on it a road to the database. */
import { useCallback, useMemo, useState } from 'react';
import { useSearchParams } from 'wouter';
import { wipRefusal, type Failure } from '../api/failure';
import type { BoardRow, TaskDraft } from '../api/rows';
import { useMe } from '../auth/session-context';
import { useI18n } from '../i18n/i18n';
import { findCard, isFull, placeOf, type BoardView, type Change } from '../state/board-view';
import { Journal } from '../state/journal';
import { useBoard } from '../state/use-board';
import { useChanges } from '../state/use-changes';
import { useLive } from '../state/use-live';
import { useOnline } from '../state/use-online';
import { Button } from '../ui/button';
import { failureText } from '../ui/failure-text';
import { Icon } from '../ui/icon';
import { Loading, PageState } from '../ui/page-state';
import { useSay } from '../ui/toasts';
import { BoardGrid } from './board-grid';
import styles from './board-page.module.css';
import { CardDialog } from './card-dialog';
import { ConnectionBanner } from './connection-banner';
import { filterFromSearch, filterToSearch, matches } from './filter';
import { MembersDialog } from './members-dialog';
import { NewCardDialog } from './new-card-dialog';
import { EMPTY_DRAFT } from './task-form';
import { todayOf } from './today';
import { Toolbar } from './toolbar';
import { Viewers } from './viewers';

type Open = { readonly card: string } | 'new' | 'members' | null;

export function BoardPage({ board }: { board: BoardRow }) {
  const { t } = useI18n();
  const say = useSay();
  const me = useMe();
  const online = useOnline();
  const [journal] = useState(() => new Journal());
  const live = useLive(board.id, { userId: me.id, name: me.name }, journal);
  const { view, failure, reading, reload } = useBoard(board.id, journal, live.status);
  const change = useChanges(board.id, (refused, what) => {
    say(refusalText(refused, what, t));
  });
  const [search, setSearch] = useSearchParams();
  const [open, setOpen] = useState<Open>(null);

  const filter = useMemo(() => filterFromSearch(search), [search]);
  const today = todayOf(new Date());
  const emails = useMemo(
    () => new Map(board.board_member.map((member) => [member.user_id, member.email])),
    [board.board_member],
  );
  const knownLabels = useMemo(() => labelsOf(view ?? []), [view]);
  const onOpen = useCallback((card: string) => {
    setOpen({ card });
  }, []);
  const create = useCallback(
    (columnId: string, draft: TaskDraft) => {
      change({ kind: 'create', temporaryId: crypto.randomUUID(), columnId, draft });
    },
    [change],
  );
  const onAdd = useCallback(
    (columnId: string, title: string) => {
      create(columnId, { ...EMPTY_DRAFT, title });
    },
    [create],
  );
  const close = () => {
    setOpen(null);
  };

  if (!view) {
    if (!failure) return <Loading label={t('board.loading')} />;
    return (
      <PageState failed title={t('board.failed')} detail={failureText(failure, t)}>
        <Button look="primary" onClick={reload}>
          {t('action.retry')}
        </Button>
      </PageState>
    );
  }

  const columns = view.map(({ column }) => column);
  const opened = open !== null && typeof open === 'object' ? findCard(view, open.card) : undefined;
  const openedPlace = opened && placeOf(view, opened.id);
  const found = view
    .flatMap(({ cards }) => cards)
    .filter((card) => matches(card.task, filter, today));
  const fields = { columns, members: board.board_member, knownLabels };
  return (
    <div className={styles.page}>
      <h1 className="visually-hidden">{board.name}</h1>
      <Toolbar
        filter={filter}
        members={board.board_member}
        knownLabels={knownLabels}
        found={found.length}
        onFilter={(next) => {
          setSearch((was) => filterToSearch(next, was), { replace: true });
        }}
        onNew={() => {
          setOpen('new');
        }}
      >
        <Viewers viewers={live.viewers} emails={emails} />
        <Button
          onClick={() => {
            setOpen('members');
          }}
        >
          <Icon name="people" />
          <span className={styles.wideOnly}>{t('members.button')}</span>
        </Button>
      </Toolbar>
      <ConnectionBanner
        online={online}
        live={live.status}
        failure={failure}
        reading={reading}
        onRetry={reload}
      />
      <BoardGrid
        view={view}
        filter={filter}
        today={today}
        emails={emails}
        onOpen={onOpen}
        onAdd={onAdd}
        onMove={(cardId, place) => {
          change({ kind: 'move', cardId, place });
        }}
      />
      {opened && openedPlace && (
        <CardDialog
          key={opened.id}
          boardId={board.id}
          card={opened}
          columnId={openedPlace.columnId}
          {...fields}
          onClose={close}
          onSave={(patch, columnId) => {
            if (patch) change({ kind: 'edit', taskId: opened.task.id, patch });
            if (columnId !== openedPlace.columnId) {
              moveToColumn(view, opened.id, columnId);
            }
            close();
          }}
          onArchive={() => {
            change({ kind: 'archive', cardId: opened.id });
            say(t('card.archived', { title: opened.task.title }), {
              tone: 'info',
              action: {
                label: t('action.undo'),
                run: () => {
                  change({ kind: 'restore', cardId: opened.id });
                },
              },
            });
            close();
          }}
        />
      )}
      {open === 'new' && (
        <NewCardDialog
          {...fields}
          onClose={close}
          onCreate={(draft, columnId) => {
            create(columnId, draft);
            close();
          }}
        />
      )}
      {open === 'members' && <MembersDialog board={board} onClose={close} />}
    </div>
  );

  function moveToColumn(on: BoardView, cardId: string, columnId: string) {
    const target = on.find(({ column }) => column.id === columnId);
    if (target && isFull(target, cardId)) {
      say(t('wip.refused', { column: target.column.name, limit: target.column.wip_limit ?? 0 }));
    } else {
      change({ kind: 'move', cardId, place: { columnId, index: null } });
    }
  }
}

function labelsOf(view: BoardView): string[] {
  const labels = new Set<string>();
  for (const { cards } of view) {
    for (const { task } of cards) for (const label of task.labels) labels.add(label);
  }
  return [...labels].sort((a, b) => a.localeCompare(b));
}

function refusalText(failure: Failure, change: Change, t: ReturnType<typeof useI18n>['t']): string {
  const wip = wipRefusal(failure);
  if (wip) return t('wip.refused', { column: wip.column, limit: wip.limit });
  return t(`refused.${change.kind}`, { reason: failureText(failure, t) });
}
