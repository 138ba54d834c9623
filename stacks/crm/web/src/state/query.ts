/** The one cache of what was loaded, its keys, and how often a failed request is tried again. */
import { QueryClient } from '@tanstack/react-query';
import { toFailure } from '../api/failure';

const MAX_RETRIES = 3;
// A restart of the database takes some seconds; what a person did must outlive it.
const MAX_CHANGE_RETRIES = 6;
const LONGEST_WAIT_MS = 5000;

export const keys = {
  boards: ['boards'] as const,
  factors: ['factors'] as const,
  board: (boardId: string) => ['board', boardId] as const,
  changes: (boardId: string) => ['change', boardId] as const,
  attachments: (cardId: string) => ['attachments', cardId] as const,
  attachmentLimit: ['attachment-limit'] as const,
  preview: (path: string) => ['preview', path] as const,
  description: (taskId: string) => ['description', taskId] as const,
  metrics: (boardId: string, since: string) => ['metrics', boardId, since] as const,
};

/** Only what nobody answered is worth asking again: a refusal stays a refusal. */
export function retryUnreachable(failures: number, cause: unknown): boolean {
  return failures < MAX_RETRIES && toFailure(cause).kind === 'offline';
}

export function retryChange(failures: number, cause: unknown): boolean {
  return failures < MAX_CHANGE_RETRIES && toFailure(cause).kind === 'offline';
}

export function retryDelay(failures: number): number {
  return Math.min(500 * 2 ** failures, LONGEST_WAIT_MS);
}

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // The stack runs on this computer: it answers also when the browser says there is no network.
        networkMode: 'always',
        staleTime: 30_000,
        retry: retryUnreachable,
        retryDelay,
      },
      mutations: { networkMode: 'always', retry: false, retryDelay },
    },
  });
}
