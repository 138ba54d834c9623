/** Labels as chips with a field behind them: Enter or comma adds, Backspace in the empty field removes the last. */
import { useId, useState, type KeyboardEvent } from 'react';
import { useI18n } from '../i18n/i18n';
import { Field } from '../ui/field';
import { Icon } from '../ui/icon';
import { Label } from './label';
import styles from './label-input.module.css';

interface LabelInputProps {
  readonly labels: readonly string[];
  readonly known: readonly string[];
  readonly onChange: (labels: readonly string[]) => void;
}

export function LabelInput({ labels, known, onChange }: LabelInputProps) {
  const { t } = useI18n();
  const listId = useId();
  const [text, setText] = useState('');

  function add() {
    const label = text.trim();
    setText('');
    if (label !== '' && !labels.includes(label)) onChange([...labels, label]);
  }

  function onKeyDown(event: KeyboardEvent) {
    if ((event.key === 'Enter' && text.trim() !== '') || event.key === ',') {
      event.preventDefault();
      add();
    } else if (event.key === 'Backspace' && text === '') {
      onChange(labels.slice(0, -1));
    }
  }

  return (
    <div className={styles.labels}>
      <Field label={t('task.labels')} hint={t('task.labelsHint')}>
        {(control) => (
          <input
            {...control}
            list={listId}
            value={text}
            maxLength={40}
            onChange={(event) => {
              setText(event.target.value);
            }}
            onKeyDown={onKeyDown}
            onBlur={add}
          />
        )}
      </Field>
      <datalist id={listId}>
        {known
          .filter((label) => !labels.includes(label))
          .map((label) => (
            <option key={label} value={label} />
          ))}
      </datalist>
      {labels.length > 0 && (
        <ul className={styles.chips}>
          {labels.map((label) => (
            <li key={label} className={styles.chip}>
              <Label text={label} />
              <button
                type="button"
                className={styles.remove}
                aria-label={t('task.removeLabel', { label })}
                onClick={() => {
                  onChange(labels.filter((other) => other !== label));
                }}
              >
                <Icon name="close" size={12} />
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
