/** The language of the page: found from the browser, switchable, remembered; gives `t` to every component. */
import { createContext, use, useEffect, useMemo, useState, type ReactNode } from 'react';
import { en, type Dictionary, type MessageKey } from './en';
import { ru } from './ru';
import { format, LANGUAGES, pickLanguage, type Language, type Values } from './translate';

const STORAGE_KEY = 'crm.language';
const DICTIONARIES: Record<Language, Dictionary> = { en, ru };

export type Translate = (key: MessageKey, values?: Values) => string;

interface I18n {
  readonly language: Language;
  readonly setLanguage: (language: Language) => void;
  readonly t: Translate;
}

const I18nContext = createContext<I18n | null>(null);

export function translator(language: Language): Translate {
  return (key, values) => format(DICTIONARIES[language][key], language, values);
}

export function I18nProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(initialLanguage);

  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);

  const value = useMemo<I18n>(
    () => ({
      language,
      setLanguage: (next) => {
        remember(next);
        setLanguage(next);
      },
      t: translator(language),
    }),
    [language],
  );
  return <I18nContext value={value}>{children}</I18nContext>;
}

export function useI18n(): I18n {
  const value = use(I18nContext);
  if (!value) throw new Error('useI18n needs I18nProvider above it');
  return value;
}

function initialLanguage(): Language {
  const stored = recall();
  return LANGUAGES.find((language) => language === stored) ?? pickLanguage(navigator.languages);
}

// Storage may be refused (private windows, blocked cookies); the language then lasts for the visit.
function recall(): string | null {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}

function remember(language: Language): void {
  try {
    localStorage.setItem(STORAGE_KEY, language);
  } catch {
    return;
  }
}
