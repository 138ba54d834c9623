/** Turns a message key and values into text: placeholders in braces, plural forms by Intl.PluralRules. Pure. */

export type Language = 'en' | 'ru';

export interface PluralForms {
  readonly one: string;
  readonly few?: string;
  readonly many?: string;
  readonly other: string;
}

export type Message = string | PluralForms;
export type Values = Readonly<Record<string, string | number>>;

export const LANGUAGES: readonly Language[] = ['en', 'ru'];

/** The first language of the list that we speak; English when none is. */
export function pickLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const found = LANGUAGES.find((language) => tag.toLowerCase().split('-')[0] === language);
    if (found) return found;
  }
  return 'en';
}

/** `count` chooses the plural form; every other value only fills its placeholder. */
export function format(message: Message, language: Language, values: Values = {}): string {
  const numbers = new Intl.NumberFormat(language);
  const text = typeof message === 'string' ? message : pluralForm(message, language, values.count);
  return text.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = values[name];
    if (value === undefined) return placeholder;
    return typeof value === 'number' ? numbers.format(value) : value;
  });
}

function pluralForm(
  forms: PluralForms,
  language: Language,
  count: string | number | undefined,
): string {
  const rule = new Intl.PluralRules(language).select(Number(count ?? 0));
  return (rule === 'zero' || rule === 'two' ? undefined : forms[rule]) ?? forms.other;
}
