/** A card opened to be read and changed. */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { loadDescription } from '../api/cards';
import { toFailure } from '../api/failure';
import type { ColumnRow, MemberRow, TaskDraft, TaskRow } from '../api/rows';
import { useI18n } from '../i18n/i18n';
import { changedFields, type CardView, type TaskPatch } from '../state/board-view';
import { keys } from '../state/query';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { failureText } from '../ui/failure-text';
import { Icon } from '../ui/icon';
import { Notice } from '../ui/notice';
import { Loading } from '../ui/page-state';
import { Attachments } from './attachments';
import styles from './card-dialog.module.css';
import { TaskForm } from './task-form';

interface CardDialogProps {
  readonly boardId: string;
  readonly card: CardView;
  readonly columnId: string;
  readonly columns: readonly ColumnRow[];
  readonly members: readonly MemberRow[];
  readonly knownLabels: readonly string[];
  readonly onSave: (patch: TaskPatch | null, columnId: string) => void;
  readonly onArchive: () => void;
  readonly onClose: () => void;
}

export function CardDialog(props: CardDialogProps) {
  const { boardId, card, onSave, onArchive, onClose, ...form } = props;
  const { t } = useI18n();
  // The form begins with the card as it was when it was opened: news must not overwrite what is being written.
  const [opened] = useState(card.task);
  const description = useQuery({
    queryKey: keys.description(card.task.id),
    queryFn: () => loadDescription(card.task.id),
    staleTime: 0,
    gcTime: 0,
  });
  const before = (text: string): TaskDraft => ({ ...withoutStamp(opened), description: text });
  const changed = opened.updated_at !== card.task.updated_at && !card.pending;
  return (
    <Dialog wide title={t('task.edit')} onClose={onClose}>
      {description.isPending && <Loading label={t('state.loading')} />}
      {description.isError && (
        <Notice tone="danger">
          {failureText(toFailure(description.error), t)}
          <Button onClick={() => void description.refetch()}>{t('action.retry')}</Button>
        </Notice>
      )}
      {changed && <Notice tone="warning">{t('task.changedMeanwhile')}</Notice>}
      {description.isSuccess && (
        <TaskForm
          {...form}
          initial={before(description.data)}
          more={<Attachments boardId={boardId} cardId={card.id} members={form.members} />}
          onSubmit={(draft, columnId) => {
            onSave(changedFields(before(description.data), draft), columnId);
          }}
        >
          <Button look="danger" className={styles.archive} onClick={onArchive}>
            <Icon name="archive" />
            {t('action.archive')}
          </Button>
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button look="primary" type="submit">
            {t('action.save')}
          </Button>
        </TaskForm>
      )}
    </Dialog>
  );
}

function withoutStamp({ id: _id, updated_at: _stamp, ...fields }: TaskRow) {
  return fields;
}
