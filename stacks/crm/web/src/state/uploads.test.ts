import { expect, it, vi } from 'vitest';
import type { Place, Transfer } from '../api/attachments';
import { Failure } from '../api/failure';
import { Uploads } from './uploads';

const PLACE: Place = { boardId: 'b', cardId: 'c' };
const FILE = new File(['12345'], 'смета.pdf');

/** Uploads over a transfer that the test ends. */
function begin() {
  let report: (sent: number) => void = () => undefined;
  let resolve: () => void = () => undefined;
  let reject: (cause: unknown) => void = () => undefined;
  const abort = vi.fn();
  const uploads = new Uploads((_place, _file, told): Transfer => {
    report = told;
    const done = new Promise<void>((stored, failed) => {
      resolve = stored;
      reject = failed;
    });
    return { done, abort };
  });
  const onStored = vi.fn();
  uploads.add(PLACE, FILE, 100, onStored);
  return {
    uploads,
    abort,
    onStored,
    report: (sent: number) => {
      report(sent);
    },
    resolve: () => {
      resolve();
    },
    reject: (cause: unknown) => {
      reject(cause);
    },
  };
}

it('tells how much is sent, to the card it belongs to', () => {
  const { uploads, report } = begin();
  const heard = vi.fn();
  uploads.subscribe(heard);
  report(3);
  expect(heard).toHaveBeenCalledOnce();
  expect(uploads.of('c')).toMatchObject([{ name: 'смета.pdf', size: 5, sent: 3, failure: null }]);
  expect(uploads.of('another')).toEqual([]);
});

it('forgets what is stored and says so', async () => {
  const { uploads, resolve, onStored } = begin();
  resolve();
  await vi.waitFor(() => {
    expect(onStored).toHaveBeenCalledExactlyOnceWith('смета.pdf');
  });
  expect(uploads.of('c')).toEqual([]);
});

it('keeps what was refused until it is put away', async () => {
  const { uploads, reject, abort, onStored } = begin();
  reject(new Failure('wrong_type', 'mime type x is not supported'));
  await vi.waitFor(() => {
    expect(uploads.of('c')[0]?.failure?.kind).toBe('wrong_type');
  });
  uploads.drop(uploads.of('c')[0]?.id ?? 0);
  expect(uploads.of('c')).toEqual([]);
  expect(abort).not.toHaveBeenCalled();
  expect(onStored).not.toHaveBeenCalled();
});

it('stops what is on its way when it is dropped', () => {
  const { uploads, abort } = begin();
  uploads.drop(uploads.of('c')[0]?.id ?? 0);
  expect(abort).toHaveBeenCalledOnce();
  expect(uploads.of('c')).toEqual([]);
});

it('does not send what is over the limit', () => {
  const send = vi.fn();
  const uploads = new Uploads(send);
  uploads.add(PLACE, FILE, 4, vi.fn());
  expect(send).not.toHaveBeenCalled();
  expect(uploads.of('c')[0]?.failure?.kind).toBe('too_large');
});
