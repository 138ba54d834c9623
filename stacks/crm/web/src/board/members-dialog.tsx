/** Who is on the board, and an e-mail address to invite one more. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type SubmitEvent } from 'react';
import { inviteMember, removeMember } from '../api/boards';
import { toFailure } from '../api/failure';
import type { BoardRow } from '../api/rows';
import { useMe } from '../auth/session-context';
import { useI18n } from '../i18n/i18n';
import { keys } from '../state/query';
import { Avatar } from '../ui/avatar';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { failureText } from '../ui/failure-text';
import { TextField } from '../ui/field';
import { Notice } from '../ui/notice';
import styles from './members-dialog.module.css';

export function MembersDialog({ board, onClose }: { board: BoardRow; onClose: () => void }) {
  const { t } = useI18n();
  const me = useMe();
  const client = useQueryClient();
  const [email, setEmail] = useState('');
  const onSuccess = () => client.invalidateQueries({ queryKey: keys.boards });
  const invite = useMutation({
    mutationFn: (address: string) => inviteMember(board.id, address),
    onSuccess: () => {
      setEmail('');
      return onSuccess();
    },
  });
  const remove = useMutation({
    mutationFn: (userId: string) => removeMember(board.id, userId),
    onSuccess,
  });

  function onSubmit(event: SubmitEvent) {
    event.preventDefault();
    invite.mutate(email);
  }

  const isOwner = board.board_member.some(
    (each) => each.user_id === me.id && each.role === 'owner',
  );
  const error = invite.error ?? remove.error;
  return (
    <Dialog title={t('members.title')} onClose={onClose}>
      <div className={styles.body}>
        <form className={styles.invite} onSubmit={onSubmit}>
          <TextField
            label={t('members.email')}
            type="email"
            required
            value={email}
            onChange={(event) => {
              setEmail(event.target.value);
            }}
          />
          <Button look="primary" type="submit" busy={invite.isPending}>
            {t('members.invite')}
          </Button>
        </form>
        {error && <Notice tone="danger">{inviteFailure(error, t)}</Notice>}
        {invite.isSuccess && !error && (
          <Notice tone="info">{t('members.invited', { email: invite.variables })}</Notice>
        )}
        <ul className={styles.list} aria-label={t('members.title')}>
          {board.board_member.map((member) => (
            <li key={member.user_id} className={styles.member}>
              <Avatar name={member.email} />
              <span className={styles.email}>{member.email}</span>
              <span className={styles.role}>{t(`members.${member.role}`)}</span>
              {member.role !== 'owner' && (isOwner || member.user_id === me.id) && (
                <Button
                  look="quiet"
                  onClick={() => {
                    remove.mutate(member.user_id);
                  }}
                >
                  {t(member.user_id === me.id ? 'members.leave' : 'members.remove')}
                </Button>
              )}
            </li>
          ))}
        </ul>
      </div>
    </Dialog>
  );
}

function inviteFailure(cause: Error, t: ReturnType<typeof useI18n>['t']): string {
  const failure = toFailure(cause);
  return failure.kind === 'missing' ? t('members.unknown') : failureText(failure, t);
}
