/** A size in bytes as people read it: `812 bytes`, `1.4 MB`; steps of 1024, in the page's language. */
import type { Language } from '../i18n/translate';

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;

export function bytesText(size: number, language: Language): string {
  const step = Math.min(Math.floor(Math.log2(Math.max(size, 1)) / 10), UNITS.length - 1);
  const value = size / 1024 ** step;
  return new Intl.NumberFormat(language, {
    style: 'unit',
    unit: UNITS[step] ?? 'byte',
    unitDisplay: step === 0 ? 'long' : 'short',
    maximumFractionDigits: value < 10 && step > 0 ? 1 : 0,
  }).format(value);
}
