/**
 * What happens on a board while it is open: one channel `kanban:<board>` with the changes of its
 * tables and the presence of the people who look at it. Reports; decides nothing about data.
 */
import {
  REALTIME_SUBSCRIBE_STATES as STATES,
  type RealtimeChannel,
  type RealtimePostgresChangesPayload,
} from '@supabase/supabase-js';
import { api } from './client';

export type LiveTable = 'card' | 'column' | 'task';
export type LiveStatus = 'connecting' | 'live' | 'lost';

export interface LiveChange {
  readonly table: LiveTable;
  /** The new row; null when the row was deleted. */
  readonly row: Readonly<Record<string, unknown>> | null;
  readonly id: string;
}

export interface Viewer {
  readonly userId: string;
  readonly name: string;
}

export interface LiveListener {
  onChange(change: LiveChange): void;
  onViewers(viewers: readonly Viewer[]): void;
  /** `live` means: from now on no change is missed; what was loaded before has to be read again. */
  onStatus(status: LiveStatus): void;
}

interface SystemMessage {
  readonly extension?: string;
  readonly status?: string;
}

const TABLES: readonly LiveTable[] = ['card', 'column', 'task'];
const RETRY_MS = 3000;

/** Joins, and joins again when the server closes the channel for good; returns how to leave. */
export function watchBoard(boardId: string, me: Viewer, listener: LiveListener): () => void {
  let channel: RealtimeChannel | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let left = false;

  function join() {
    const joined = openChannel(boardId, me, listener, rejoin);
    channel = joined;
  }

  // supabase-js comes back by itself after a lost socket, but not after a close or a system error.
  function rejoin(dead: RealtimeChannel) {
    if (left || dead !== channel) return;
    channel = null;
    listener.onStatus('lost');
    void api().removeChannel(dead);
    retry = setTimeout(join, RETRY_MS);
  }

  listener.onStatus('connecting');
  join();
  return () => {
    left = true;
    clearTimeout(retry);
    if (channel) void api().removeChannel(channel);
  };
}

function openChannel(
  boardId: string,
  me: Viewer,
  listener: LiveListener,
  onDead: (channel: RealtimeChannel) => void,
): RealtimeChannel {
  const channel = api().channel(`kanban:${boardId}`, { config: { presence: { key: me.userId } } });
  for (const table of TABLES) {
    channel.on(
      'postgres_changes',
      { event: '*', schema: 'public', table, filter: `board_id=eq.${boardId}` },
      (payload) => {
        const change = toChange(table, payload);
        if (change) listener.onChange(change);
      },
    );
  }
  channel
    .on('presence', { event: 'sync' }, () => {
      listener.onViewers(toViewers(channel.presenceState<Viewer>()));
    })
    .on('system', {}, (message: SystemMessage) => {
      if (message.status === 'error') onDead(channel);
      else if (message.extension === 'postgres_changes') listener.onStatus('live');
    })
    .subscribe((status) => {
      if (status === STATES.SUBSCRIBED) void channel.track({ userId: me.userId, name: me.name });
      else if (status === STATES.CLOSED) onDead(channel);
      else listener.onStatus('lost');
    });
  return channel;
}

function toChange(
  table: LiveTable,
  payload: RealtimePostgresChangesPayload<Record<string, unknown>>,
): LiveChange | null {
  const isDelete = payload.eventType === 'DELETE';
  const id = (isDelete ? payload.old : payload.new).id;
  return typeof id === 'string' ? { table, id, row: isDelete ? null : payload.new } : null;
}

/** One entry a person, however many windows they have open. */
export function toViewers(state: Readonly<Record<string, readonly Viewer[]>>): Viewer[] {
  return Object.entries(state)
    .map(([userId, entries]) => ({ userId, name: entries[0]?.name ?? '' }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

/**
 * Tells when somebody joined or left one of my boards, or I was invited to one; and once whenever
 * the changes begin to flow, since what happened before that was missed.
 */
export function watchMembership(userId: string, report: () => void): () => void {
  const channel = api()
    .channel(`membership:${userId}`)
    .on('postgres_changes', { event: '*', schema: 'public', table: 'board_member' }, report)
    .on('system', {}, (message: SystemMessage) => {
      if (message.extension === 'postgres_changes' && message.status === 'ok') report();
    })
    .subscribe();
  return () => {
    void api().removeChannel(channel);
  };
}
