import { describe, expect, it } from 'vitest';
import { base64, isPicture, objectName } from './attachments';

describe('objectName', () => {
  it.each([
    ['report.PDF', /^[0-9a-f]{32}\.pdf$/],
    ['архив за май.tar.gz', /^[0-9a-f]{32}\.gz$/],
    ['смета', /^[0-9a-f]{32}$/],
    ['отчёт.док', /^[0-9a-f]{32}$/],
    ['../../x', /^[0-9a-f]{32}$/],
    ['a.b/c', /^[0-9a-f]{32}$/],
    ['photo.jpg ', /^[0-9a-f]{32}$/],
    [`x.${'a'.repeat(40)}`, /^[0-9a-f]{32}$/],
    ['', /^[0-9a-f]{32}$/],
  ])('makes a safe name of %j', (given, made) => {
    expect(objectName(given)).toMatch(made);
  });

  it('never makes the same twice', () => {
    const names = Array.from({ length: 100 }, () => objectName('a.png'));
    expect(new Set(names).size).toBe(100);
  });
});

it('carries names in every script', () => {
  const name = 'Смета 🚢 “май”.pdf';
  const bytes = Uint8Array.from(atob(base64(name)), (letter) => letter.charCodeAt(0));
  expect(new TextDecoder().decode(bytes)).toBe(name);
});

it.each([
  ['image/png', true],
  ['image/svg+xml', true],
  ['image/jpeg; charset=binary', true],
  ['image/tiff', false],
  ['image/heic', false],
  ['application/pdf', false],
  ['text/html', false],
])('knows whether %s can be looked at', (mime, is) => {
  expect(isPicture(mime)).toBe(is);
});
