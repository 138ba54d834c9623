/** Two languages, two buttons; each is named in its own language. */
import { useI18n } from '../i18n/i18n';
import { LANGUAGES, type Language } from '../i18n/translate';
import styles from './language-switch.module.css';

const NAMES: Record<Language, { short: string; full: string }> = {
  en: { short: 'EN', full: 'English' },
  ru: { short: 'RU', full: 'Русский' },
};

export function LanguageSwitch() {
  const { language, setLanguage, t } = useI18n();
  return (
    <div role="group" aria-label={t('language.label')} className={styles.switch}>
      {LANGUAGES.map((option) => (
        <button
          key={option}
          type="button"
          lang={option}
          aria-pressed={option === language}
          className={styles.option}
          onClick={() => {
            setLanguage(option);
          }}
        >
          {NAMES[option].short}
          <span className="visually-hidden"> {NAMES[option].full}</span>
        </button>
      ))}
    </div>
  );
}
