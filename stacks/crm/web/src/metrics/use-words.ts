/** Dates and numbers of the charts in the language of the page. */
import { useMemo } from 'react';
import { useI18n } from '../i18n/i18n';

interface Words {
  /** Takes what recharts calls a label: here always a day or an instant. */
  readonly day: (day: unknown) => string;
  readonly number: (value: number) => string;
  readonly days: (value: number) => string;
}

export function useWords(): Words {
  const { language, t } = useI18n();
  return useMemo(() => {
    const dates = new Intl.DateTimeFormat(language, {
      day: 'numeric',
      month: 'short',
      timeZone: 'UTC',
    });
    const numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
    return {
      day: (day) => dates.format(new Date(day as string | number)),
      number: (value) => numbers.format(value),
      days: (value) => t('metrics.cycleDays', { count: Math.round(value * 10) / 10 }),
    };
  }, [language, t]);
}
