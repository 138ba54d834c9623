import assert from 'node:assert';
import test from 'node:test';
import { title } from './main.js';

test('the shop has a title', () => assert.equal(title, 'shop'));
