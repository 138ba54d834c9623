/** Rows as the database gives them (stacks/crm/migrations), with only the columns that the pages use. */

export type Stage = 'todo' | 'doing' | 'done';
export type TaskType = 'task' | 'bug' | 'story' | 'chore';
export type Priority = 1 | 2 | 3 | 4;

export const TASK_TYPES: readonly TaskType[] = ['task', 'bug', 'story', 'chore'];
export const PRIORITIES: readonly Priority[] = [1, 2, 3, 4];

export interface MemberRow {
  readonly user_id: string;
  readonly role: 'owner' | 'member';
  readonly email: string;
}

export interface BoardRow {
  readonly id: string;
  readonly name: string;
  readonly board_member: readonly MemberRow[];
}

export interface ColumnRow {
  readonly id: string;
  readonly name: string;
  readonly key: string;
  readonly stage: Stage;
  readonly wip_limit: number | null;
  readonly position: number;
}

export interface CardRow {
  readonly id: string;
  readonly column_id: string;
  readonly task_id: string;
  readonly position: number;
  readonly archived: boolean;
  readonly updated_at: string;
}

/** Without the description: it is read when a card is opened. */
export interface TaskRow {
  readonly id: string;
  readonly title: string;
  readonly type: TaskType;
  readonly priority: Priority;
  readonly estimate: number | null;
  readonly assignee: string | null;
  readonly labels: readonly string[];
  readonly due_date: string | null;
  readonly updated_at: string;
}

/** What a person writes about a card. */
export interface TaskDraft {
  readonly title: string;
  readonly description: string;
  readonly type: TaskType;
  readonly priority: Priority;
  readonly estimate: number | null;
  readonly assignee: string | null;
  readonly labels: readonly string[];
  readonly due_date: string | null;
}

export const COLUMN_COLUMNS = 'id,name,key,stage,wip_limit,position';
export const CARD_COLUMNS = 'id,column_id,task_id,position,archived,updated_at';
export const TASK_COLUMNS = 'id,title,type,priority,estimate,assignee,labels,due_date,updated_at';
