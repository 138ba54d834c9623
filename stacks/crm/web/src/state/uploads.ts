/** Uploads on their way, by card: they go on while the card is closed, and are there when it opens again. */
import { useSyncExternalStore } from 'react';
import { upload, type Place, type Transfer } from '../api/attachments';
import { toFailure, type Failure } from '../api/failure';

export interface Upload {
  readonly id: number;
  readonly name: string;
  readonly size: number;
  readonly sent: number;
  /** Why it was refused; it stays in the list until it is put away. */
  readonly failure: Failure | null;
}

interface Running {
  readonly place: Place;
  readonly transfer: Transfer | null;
  readonly view: Upload;
}

type Send = typeof upload;
const NONE: readonly Upload[] = [];

export class Uploads {
  private readonly running = new Map<number, Running>();
  private readonly listeners = new Set<() => void>();
  private views = new Map<string, readonly Upload[]>();
  private lastId = 0;

  constructor(private readonly send: Send = upload) {}

  /** Refuses a file that is over the limit without sending it. */
  add(place: Place, file: File, limit: number | null, onStored: (name: string) => void): void {
    const id = ++this.lastId;
    const view = { id, name: file.name, size: file.size, sent: 0, failure: null };
    if (limit !== null && file.size > limit) {
      const failure = toFailure({ statusCode: '413', message: 'too large' });
      this.set({ place, transfer: null, view: { ...view, failure } });
      return;
    }
    const transfer = this.send(place, file, (sent) => {
      this.change(id, { sent });
    });
    this.set({ place, transfer, view });
    transfer.done.then(
      () => {
        this.drop(id);
        onStored(file.name);
      },
      (cause: unknown) => {
        this.change(id, { failure: toFailure(cause) });
      },
    );
  }

  /** Takes one out of the list, and stops it when it is on its way. */
  drop(id: number): void {
    const found = this.running.get(id);
    this.running.delete(id);
    if (found?.view.failure === null) found.transfer?.abort();
    this.publish();
  }

  of(cardId: string): readonly Upload[] {
    return this.views.get(cardId) ?? NONE;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  private change(id: number, part: Partial<Upload>): void {
    const found = this.running.get(id);
    if (found) this.set({ ...found, view: { ...found.view, ...part } });
  }

  private set(running: Running): void {
    this.running.set(running.view.id, running);
    this.publish();
  }

  private publish(): void {
    this.views = new Map();
    for (const { place, view } of this.running.values()) {
      this.views.set(place.cardId, [...(this.views.get(place.cardId) ?? NONE), view]);
    }
    this.listeners.forEach((listener) => {
      listener();
    });
  }
}

export const uploads = new Uploads();

export function useUploads(cardId: string): readonly Upload[] {
  return useSyncExternalStore(uploads.subscribe, () => uploads.of(cardId));
}
