/** The fields of a card, for a new one and for one that exists. */
import { useState, type ReactNode } from 'react';
import {
  PRIORITIES,
  TASK_TYPES,
  type ColumnRow,
  type MemberRow,
  type Priority,
  type TaskDraft,
  type TaskType,
} from '../api/rows';
import { useI18n } from '../i18n/i18n';
import { Field, TextField } from '../ui/field';
import { LabelInput } from './label-input';
import styles from './task-form.module.css';

export const EMPTY_DRAFT: TaskDraft = {
  title: '',
  description: '',
  type: 'task',
  priority: 3,
  estimate: null,
  assignee: null,
  labels: [],
  due_date: null,
};

interface TaskFormProps {
  readonly initial: TaskDraft;
  readonly columns: readonly ColumnRow[];
  readonly columnId: string;
  readonly members: readonly MemberRow[];
  readonly knownLabels: readonly string[];
  readonly onSubmit: (draft: TaskDraft, columnId: string) => void;
  /** What belongs to a card that exists already; stands between the fields and the buttons. */
  readonly more?: ReactNode;
  /** The buttons below the fields. */
  readonly children: ReactNode;
}

export function TaskForm(props: TaskFormProps) {
  const { initial, columns, members, knownLabels, onSubmit, more, children } = props;
  const { t } = useI18n();
  const [draft, setDraft] = useState(initial);
  const [columnId, setColumnId] = useState(props.columnId);
  const set = (part: Partial<TaskDraft>) => {
    setDraft((was) => ({ ...was, ...part }));
  };
  return (
    <form
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        if (draft.title.trim() !== '') onSubmit(draft, columnId);
      }}
    >
      <TextField
        label={t('task.title')}
        value={draft.title}
        required
        maxLength={200}
        onChange={(event) => {
          set({ title: event.target.value });
        }}
      />
      <Field label={t('task.description')}>
        {(control) => (
          <textarea
            {...control}
            value={draft.description}
            onChange={(event) => {
              set({ description: event.target.value });
            }}
          />
        )}
      </Field>
      <div className={styles.grid}>
        <Select
          label={t('task.column')}
          value={columnId}
          options={columns.map((column) => [column.id, column.name])}
          onChange={setColumnId}
        />
        <Select
          label={t('task.assignee')}
          value={draft.assignee ?? ''}
          options={[
            ['', t('task.nobody')],
            ...members.map((m): [string, string] => [m.user_id, m.email]),
          ]}
          onChange={(value) => {
            set({ assignee: value || null });
          }}
        />
        <Select
          label={t('task.priority')}
          value={String(draft.priority)}
          options={PRIORITIES.map((each) => [String(each), t(`priority.${each}`)])}
          onChange={(value) => {
            set({ priority: Number(value) as Priority });
          }}
        />
        <Select
          label={t('task.type')}
          value={draft.type}
          options={TASK_TYPES.map((each) => [each, t(`type.${each}`)])}
          onChange={(value) => {
            set({ type: value as TaskType });
          }}
        />
        <TextField
          label={t('task.due')}
          type="date"
          value={draft.due_date ?? ''}
          onChange={(event) => {
            set({ due_date: event.target.value || null });
          }}
        />
        <TextField
          label={t('task.estimate')}
          type="number"
          min={0}
          max={100}
          step={1}
          inputMode="numeric"
          value={draft.estimate ?? ''}
          onChange={(event) => {
            set({
              estimate: event.target.value === '' ? null : Math.trunc(event.target.valueAsNumber),
            });
          }}
        />
      </div>
      <LabelInput
        labels={draft.labels}
        known={knownLabels}
        onChange={(labels) => {
          set({ labels });
        }}
      />
      {more}
      <div className={styles.actions}>{children}</div>
    </form>
  );
}

interface SelectProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, text: string])[];
  readonly onChange: (value: string) => void;
}

function Select({ label, value, options, onChange }: SelectProps) {
  return (
    <Field label={label}>
      {(control) => (
        <select
          {...control}
          value={value}
          onChange={(event) => {
            onChange(event.target.value);
          }}
        >
          {options.map(([option, text]) => (
            <option key={option} value={option}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
