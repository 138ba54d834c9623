/** Search and filters over the board, and the way to a new card. */
import { useId, useState, type ReactNode } from 'react';
import { PRIORITIES, type MemberRow, type Priority } from '../api/rows';
import { useI18n } from '../i18n/i18n';
import { Button } from '../ui/button';
import { classNames } from '../ui/class-names';
import { Icon } from '../ui/icon';
import {
  countChoices,
  DUE_FILTERS,
  isFiltering,
  NO_FILTER,
  NOBODY,
  type DueFilter,
  type Filter,
} from './filter';
import styles from './toolbar.module.css';

interface ToolbarProps {
  readonly filter: Filter;
  readonly members: readonly MemberRow[];
  readonly knownLabels: readonly string[];
  readonly found: number;
  readonly onFilter: (filter: Filter) => void;
  readonly onNew: () => void;
  /** What else the board offers, at the end of the line. */
  readonly children: ReactNode;
}

export function Toolbar(props: ToolbarProps) {
  const { filter, members, knownLabels, found, onFilter, onNew, children } = props;
  const { t } = useI18n();
  const choicesId = useId();
  const [isOpen, setIsOpen] = useState(countChoices(filter) > 0);
  const choices = countChoices(filter);
  return (
    <div className={styles.toolbar} role="search" aria-label={t('filter.region')}>
      <div className={styles.search}>
        <Icon name="search" />
        <input
          type="search"
          aria-label={t('filter.search')}
          placeholder={t('filter.search')}
          value={filter.text}
          onChange={(event) => {
            onFilter({ ...filter, text: event.target.value });
          }}
        />
      </div>
      <Button
        aria-expanded={isOpen}
        aria-controls={choicesId}
        onClick={() => {
          setIsOpen(!isOpen);
        }}
      >
        <Icon name="filter" />
        {choices > 0 ? t('filter.buttonCount', { count: choices }) : t('filter.button')}
      </Button>
      <span className={styles.gap} />
      {children}
      <Button look="primary" onClick={onNew}>
        <Icon name="plus" />
        {t('task.new')}
      </Button>
      <div id={choicesId} hidden={!isOpen} className={styles.choices}>
        <Choice
          label={t('task.assignee')}
          value={filter.assignee}
          options={[
            [NOBODY, t('task.nobody')],
            ...members.map((member): [string, string] => [member.user_id, member.email]),
          ]}
          onChange={(assignee) => {
            onFilter({ ...filter, assignee });
          }}
        />
        <Choice
          label={t('filter.label')}
          value={filter.label}
          options={knownLabels.map((label) => [label, label])}
          onChange={(label) => {
            onFilter({ ...filter, label });
          }}
        />
        <Choice
          label={t('task.priority')}
          value={filter.priority === null ? null : String(filter.priority)}
          options={PRIORITIES.map((each) => [String(each), t(`priority.${each}`)])}
          onChange={(value) => {
            onFilter({ ...filter, priority: value === null ? null : (Number(value) as Priority) });
          }}
        />
        <Choice
          label={t('task.due')}
          value={filter.due}
          options={DUE_FILTERS.map((each) => [each, t(`filter.due.${each}`)])}
          onChange={(due) => {
            onFilter({ ...filter, due: due as DueFilter | null });
          }}
        />
      </div>
      {isFiltering(filter) && (
        <p className={styles.found}>
          <span role="status">{t('filter.found', { count: found })}</span>
          <Button
            look="quiet"
            onClick={() => {
              onFilter(NO_FILTER);
            }}
          >
            {t('filter.clear')}
          </Button>
        </p>
      )}
    </div>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string | null;
  readonly options: readonly (readonly [value: string, text: string])[];
  readonly onChange: (value: string | null) => void;
}

function Choice({ label, value, options, onChange }: ChoiceProps) {
  const { t } = useI18n();
  const id = useId();
  return (
    <div className={classNames(styles.choice, value !== null && styles.chosen)}>
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        value={value ?? ''}
        onChange={(event) => {
          onChange(event.target.value || null);
        }}
      >
        <option value="">{t('filter.any')}</option>
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}
