/** Keeps an open board equal to the database: merges what realtime brings, reads again after a gap. */
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { loadTasks } from '../api/cards';
import { watchBoard, type LiveChange, type LiveStatus, type Viewer } from '../api/live';
import { missingTasks, type BoardData } from './board-data';
import type { Journal } from './journal';
import { mergeChanges, mergeTasks } from './merge';
import { keys } from './query';

interface Live {
  readonly status: LiveStatus;
  readonly viewers: readonly Viewer[];
}

export function useLive(boardId: string, me: Viewer, journal: Journal): Live {
  const client = useQueryClient();
  const [live, setLive] = useState<Live>({ status: 'connecting', viewers: [] });
  const { userId, name } = me;

  useEffect(() => {
    const key = keys.board(boardId);
    const reload = () => void client.invalidateQueries({ queryKey: key });
    const batch = new Batch((changes) => {
      journal.note(changes);
      client.setQueryData<BoardData>(key, (data) => data && mergeChanges(data, changes));
      void fetchMissing(client.getQueryData<BoardData>(key)).then((tasks) => {
        if (tasks.length > 0) {
          client.setQueryData<BoardData>(key, (data) => data && mergeTasks(data, tasks));
        }
      }, reload);
    });
    const leave = watchBoard(
      boardId,
      { userId, name },
      {
        onChange: (change) => {
          batch.add(change);
        },
        onViewers: (viewers) => {
          setLive((was) => ({ ...was, viewers }));
        },
        onStatus: (status) => {
          setLive((was) => ({ ...was, status }));
          if (status === 'live') reload();
        },
      },
    );
    window.addEventListener('online', reload);
    return () => {
      window.removeEventListener('online', reload);
      batch.stop();
      leave();
    };
  }, [boardId, userId, name, client, journal]);

  return live;
}

/** Changes of one animation frame are merged at once: an import of 500 cards is one repaint. */
class Batch {
  private waiting: LiveChange[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly flush: (changes: readonly LiveChange[]) => void) {}

  add(change: LiveChange): void {
    this.waiting.push(change);
    // A timer, not requestAnimationFrame: a window in the background has to follow too.
    this.timer ??= setTimeout(() => {
      const changes = this.waiting;
      this.waiting = [];
      this.timer = undefined;
      this.flush(changes);
    }, 16);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}

// Above this many the ids would make too long an address; then the whole board is read again.
const MAX_TASKS_BY_ID = 50;

async function fetchMissing(data: BoardData | undefined) {
  const ids = data ? missingTasks(data) : [];
  if (ids.length > MAX_TASKS_BY_ID) throw new RangeError('too many tasks to ask for by id');
  return ids.length > 0 ? loadTasks(ids) : [];
}
