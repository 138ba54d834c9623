/**
 * Keeps the changes that arrive while a board is being read, to put them on top of what was read:
 * the answer of the database may be older than news that came during its journey.
 */
import type { LiveChange } from '../api/live';
import type { BoardData } from './board-data';
import { mergeChanges } from './merge';

export class Journal {
  private readonly open = new Set<LiveChange[]>();

  note(changes: readonly LiveChange[]): void {
    for (const heard of this.open) heard.push(...changes);
  }

  /** Runs `read` and returns its result with everything noted since it began. */
  async during(read: () => Promise<BoardData>): Promise<BoardData> {
    const heard: LiveChange[] = [];
    this.open.add(heard);
    try {
      return mergeChanges(await read(), heard);
    } finally {
      this.open.delete(heard);
    }
  }
}
