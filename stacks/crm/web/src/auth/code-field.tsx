/** Six digits, typed or filled in by the browser from a message. */
import { useI18n } from '../i18n/i18n';
import { TextField } from '../ui/field';

export function CodeField({ name }: { name: string }) {
  const { t } = useI18n();
  return (
    <TextField
      label={t('auth.code')}
      name={name}
      inputMode="numeric"
      autoComplete="one-time-code"
      pattern="[0-9 ]{6,12}"
      title={t('auth.codeHint')}
      autoFocus // eslint-disable-line jsx-a11y/no-autofocus -- the form has one field, just asked for
      required
    />
  );
}

export function codeOf(form: FormData, name: string): string {
  return textOf(form, name).replaceAll(' ', '');
}

export function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value : '';
}
