/** The boards of the person who is signed in, and one field to make another. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type SubmitEvent } from 'react';
import { Link, useLocation } from 'wouter';
import { createBoard } from '../api/boards';
import { toFailure } from '../api/failure';
import type { BoardRow } from '../api/rows';
import { useI18n } from '../i18n/i18n';
import { keys } from '../state/query';
import { Avatar } from '../ui/avatar';
import { Button } from '../ui/button';
import { failureText } from '../ui/failure-text';
import { TextField } from '../ui/field';
import { Notice } from '../ui/notice';
import styles from './boards-page.module.css';

export function BoardsPage({ boards }: { boards: readonly BoardRow[] }) {
  const { t } = useI18n();
  return (
    <div className={styles.page}>
      <div className={styles.intro}>
        <h1 className={styles.title}>{t('boards.title')}</h1>
        {boards.length === 0 && <p className={styles.lead}>{t('boards.empty')}</p>}
      </div>
      {boards.length > 0 && (
        <ul className={styles.list} data-testid="boards">
          {boards.map((board) => (
            <li key={board.id}>
              <BoardLink board={board} />
            </li>
          ))}
        </ul>
      )}
      <NewBoard />
    </div>
  );
}

function BoardLink({ board }: { board: BoardRow }) {
  const { t } = useI18n();
  return (
    <Link href={`/boards/${board.id}`} className={styles.board}>
      <span className={styles.name}>{board.name}</span>
      <span className={styles.people}>
        {board.board_member.slice(0, 5).map((member) => (
          <Avatar key={member.user_id} small name={member.email} />
        ))}
        <span>{t('boards.members', { count: board.board_member.length })}</span>
      </span>
    </Link>
  );
}

function NewBoard() {
  const { t } = useI18n();
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const [name, setName] = useState('');
  const create = useMutation({
    mutationFn: createBoard,
    onSuccess: async (boardId) => {
      await client.invalidateQueries({ queryKey: keys.boards });
      navigate(`/boards/${boardId}`);
    },
  });

  function onSubmit(event: SubmitEvent) {
    event.preventDefault();
    if (name.trim() !== '') create.mutate(name);
  }

  return (
    <form className={styles.new} onSubmit={onSubmit}>
      <TextField
        label={t('boards.newName')}
        value={name}
        maxLength={120}
        required
        onChange={(event) => {
          setName(event.target.value);
        }}
      />
      <Button look="primary" type="submit" busy={create.isPending}>
        {t('boards.create')}
      </Button>
      {create.error && (
        <div className={styles.wide}>
          <Notice tone="danger">{failureText(toFailure(create.error), t)}</Notice>
        </div>
      )}
    </form>
  );
}
