/** Files of cards: objects of one private bucket, named `<board id>/<card id>/<file>`. */
import { readEnv } from '../env';
import { rowsOf } from './answer';
import { api } from './client';
import { Failure, toFailure } from './failure';

const BUCKET = 'attachments';
const DOWNLOAD_S = 60;
export const PREVIEW_S = 3600;
/** Twice the size on the page, for screens with many pixels. */
const PREVIEW_SIDE = 96;
const PICTURES = /^image\/(png|jpe?g|webp|avif|gif|bmp|x-icon|vnd\.microsoft\.icon|svg\+xml)\b/;

export interface Attachment {
  readonly id: string;
  readonly path: string;
  /** As people call it; the last part of the path is made up. */
  readonly name: string;
  readonly mime: string;
  readonly size: number;
  readonly owner_id: string | null;
  readonly created_at: string;
}

export interface Place {
  readonly boardId: string;
  readonly cardId: string;
}

export interface Transfer {
  /** Resolves when the file is stored; rejects with a Failure, or with an AbortError. */
  readonly done: Promise<void>;
  readonly abort: () => void;
}

export function loadAttachments(cardId: string): Promise<Attachment[]> {
  return rowsOf<Attachment[]>(
    api()
      .from('attachment')
      .select('id,path,name,mime,size,owner_id,created_at')
      .eq('card_id', cardId)
      .order('created_at')
      .order('id'),
  );
}

/** The most bytes that one file may have; null when only the stack has a limit. */
export async function loadSizeLimit(): Promise<number | null> {
  const { data, error } = await api().storage.getBucket(BUCKET);
  if (error) throw toFailure(error);
  return data.file_size_limit ?? null;
}

export function isPicture(mime: string): boolean {
  return PICTURES.test(mime);
}

/** A small square of a picture, at an address that is good for PREVIEW_S seconds. */
export function previewUrl(path: string): Promise<string> {
  return signedUrl(path, PREVIEW_S, {
    transform: { width: PREVIEW_SIDE, height: PREVIEW_SIDE, resize: 'cover' },
  });
}

/** An address that saves the file under its own name; good for a minute. */
export async function downloadUrl({ path, name }: Attachment): Promise<string> {
  const url = new URL(await signedUrl(path, DOWNLOAD_S));
  url.searchParams.set('download', name);
  return url.href;
}

/** @throws Failure `forbidden` when the policies kept the file. */
export async function removeAttachment({ path }: Attachment): Promise<void> {
  const { data, error } = await api().storage.from(BUCKET).remove([path]);
  if (error) throw toFailure(error);
  if (data.length === 0) throw new Failure('forbidden', 'nothing was deleted');
}

/** Sends a file; `report` hears how many of its bytes have left. */
export function upload(place: Place, file: File, report: (sent: number) => void): Transfer {
  // fetch cannot tell how much has been sent, so this one call does not go through the client.
  const request = new XMLHttpRequest();
  const stop = new AbortController();
  const done = new Promise<void>((resolve, reject) => {
    request.upload.onprogress = (event) => {
      report(event.loaded);
    };
    request.onload = () => {
      if (request.status === 200) resolve();
      else reject(refusal(request));
    };
    request.onerror = () => {
      reject(new Failure('offline', 'Failed to fetch'));
    };
    stop.signal.onabort = () => {
      request.abort();
      reject(new DOMException('The upload was cancelled', 'AbortError'));
    };
    open(request, place, file).then(
      () => {
        if (!stop.signal.aborted) request.send(file);
      },
      (cause: unknown) => {
        reject(toFailure(cause));
      },
    );
  });
  return {
    done,
    abort: () => {
      stop.abort();
    },
  };
}

async function open(request: XMLHttpRequest, place: Place, file: File): Promise<void> {
  const { data } = await api().auth.getSession();
  const env = readEnv(import.meta.env);
  if (!data.session || 'missing' in env) throw new Failure('unauthorised', 'no session');
  const path = `${place.boardId}/${place.cardId}/${objectName(file.name)}`;
  request.open('POST', `${env.address.url}/storage/v1/object/${BUCKET}/${path}`);
  request.setRequestHeader('apikey', env.address.anonKey);
  request.setRequestHeader('authorization', `Bearer ${data.session.access_token}`);
  request.setRequestHeader('content-type', file.type || 'application/octet-stream');
  request.setRequestHeader('cache-control', 'private, max-age=31536000, immutable');
  request.setRequestHeader('x-metadata', base64(JSON.stringify({ name: file.name })));
}

function refusal(request: XMLHttpRequest): Failure {
  try {
    return toFailure(JSON.parse(request.responseText), request.status);
  } catch {
    return toFailure({ message: request.statusText }, request.status);
  }
}

/** A name that nothing else has, in the letters that names of objects may have; it keeps the ending. */
export function objectName(fileName: string): string {
  const random = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const ending = /\.([A-Za-z0-9]{1,10})$/.exec(fileName)?.[1];
  return ending ? `${hex}.${ending.toLowerCase()}` : hex;
}

/** Base64 of text in UTF-8: headers are ASCII, names of files are not. */
export function base64(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

interface SignOptions {
  readonly transform: { width: number; height: number; resize: 'cover' };
}

async function signedUrl(path: string, seconds: number, options?: SignOptions): Promise<string> {
  const { data, error } = await api().storage.from(BUCKET).createSignedUrl(path, seconds, options);
  if (error) throw toFailure(error);
  return data.signedUrl;
}
