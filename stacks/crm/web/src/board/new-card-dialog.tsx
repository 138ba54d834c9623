/** A new card with all its fields (the field below a column makes one from a title alone). */
import type { ColumnRow, MemberRow, TaskDraft } from '../api/rows';
import { useI18n } from '../i18n/i18n';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { EMPTY_DRAFT, TaskForm } from './task-form';

interface NewCardDialogProps {
  readonly columns: readonly ColumnRow[];
  readonly members: readonly MemberRow[];
  readonly knownLabels: readonly string[];
  readonly onCreate: (draft: TaskDraft, columnId: string) => void;
  readonly onClose: () => void;
}

export function NewCardDialog({ onCreate, onClose, ...form }: NewCardDialogProps) {
  const { t } = useI18n();
  return (
    <Dialog wide title={t('task.new')} onClose={onClose}>
      <TaskForm
        {...form}
        columnId={form.columns[0]?.id ?? ''}
        initial={EMPTY_DRAFT}
        onSubmit={onCreate}
      >
        <Button onClick={onClose}>{t('action.cancel')}</Button>
        <Button look="primary" type="submit">
          {t('action.create')}
        </Button>
      </TaskForm>
    </Dialog>
  );
}
