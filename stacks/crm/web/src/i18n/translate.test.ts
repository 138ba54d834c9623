import { describe, expect, it } from 'vitest';
import { en } from './en';
import { ru } from './ru';
import { format, pickLanguage, type Message } from './translate';

const keys = Object.keys(en) as (keyof typeof en)[];

function placeholders(message: Message): string[] {
  const texts = typeof message === 'string' ? [message] : Object.values<string>({ ...message });
  return [...new Set(texts.flatMap((text) => text.match(/\{\w+\}/g) ?? []))].sort();
}

describe('dictionaries', () => {
  it('have the same keys in both languages', () => {
    expect(Object.keys(ru).sort()).toEqual(Object.keys(en).sort());
  });

  it.each(keys)('say the same things about %s', (key) => {
    expect(placeholders(ru[key])).toEqual(placeholders(en[key]));
  });

  it('have all Russian plural forms wherever English counts', () => {
    const counted = keys.filter((key) => typeof en[key] !== 'string');
    for (const key of counted) {
      expect(Object.keys(ru[key]), key).toEqual(['one', 'few', 'many', 'other']);
    }
  });
});

describe('format', () => {
  it.each([
    [1, 'Найдена 1 карточка'],
    [3, 'Найдено 3 карточки'],
    [11, 'Найдено 11 карточек'],
    [21, 'Найдена 21 карточка'],
  ])('counts %i cards in Russian', (count, text) => {
    expect(format(ru['filter.found'], 'ru', { count })).toBe(text);
  });

  it('writes numbers in the way of the language', () => {
    expect(format('{count}', 'en', { count: 2000 })).toBe('2,000');
  });

  it('leaves a placeholder without a value as it is', () => {
    expect(format('{names} is not set', 'en')).toBe('{names} is not set');
  });
});

describe('pickLanguage', () => {
  it.each([
    [['ru-RU', 'en'], 'ru'],
    [['de', 'ru'], 'ru'],
    [['de'], 'en'],
    [[], 'en'],
  ])('chooses from %j', (wanted, language) => {
    expect(pickLanguage(wanted)).toBe(language);
  });
});
