import { expect, test } from 'vitest';
import { messageOf } from './failure';
import { sizeText } from './size';

test('the message of the error form is shown, and the status where there is none', () => {
  expect(messageOf({ error: { code: 'x', message: 'not yours' } }, 403)).toBe('not yours');
  expect(messageOf('<html>', 502)).toBe('the server answered 502');
  expect(messageOf(null, 500)).toBe('the server answered 500');
});

test('a refused request says which field is wrong and why', () => {
  const details = [
    { where: 'body.name', problem: 'String should have at most 200 characters' },
    { where: 'body.size', problem: 'Input should be less than 10' },
  ];
  const said = messageOf({ error: { message: 'the request is not valid', details } }, 422);
  expect(said).toBe(
    'the request is not valid: name: string should have at most 200 characters; size: input should be less than 10',
  );
});

test('details that are no list are not shown', () => {
  const error = { message: 'the bytes are not all there', details: { expected: 1, found: null } };
  expect(messageOf({ error }, 409)).toBe('the bytes are not all there');
});

test('sizes are told in the largest unit that leaves a number above one', () => {
  expect(sizeText(0)).toBe('0 B');
  expect(sizeText(1023)).toBe('1023 B');
  expect(sizeText(1536)).toBe('1.5 KiB');
  expect(sizeText(5 * 1024 ** 3)).toBe('5 GiB');
});
