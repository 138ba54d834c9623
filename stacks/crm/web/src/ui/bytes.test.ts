import { expect, it } from 'vitest';
import { bytesText } from './bytes';

it.each([
  [0, 'en', '0 bytes'],
  [1023, 'en', '1,023 bytes'],
  [1024, 'en', '1 kB'],
  [1536, 'en', '1.5 kB'],
  [20 * 1024 * 1024, 'en', '20 MB'],
  [5 * 1024 ** 4, 'en', '5,120 GB'],
  [1536, 'ru', '1,5 кБ'],
] as const)('writes %d bytes in %s as %s', (size, language, text) => {
  expect(bytesText(size, language).replace(/\s/g, ' ')).toBe(text);
});
