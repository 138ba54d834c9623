/** Boards and their members. */
import { rowsOf } from './answer';
import { api } from './client';
import type { BoardRow } from './rows';

export function loadBoards(): Promise<BoardRow[]> {
  return rowsOf<BoardRow[]>(
    api()
      .from('board')
      .select('id,name,board_member(user_id,role,email)')
      .order('name')
      .order('id'),
  );
}

/** @returns the id of the new board; the caller is its owner and it has the five columns. */
export async function createBoard(name: string): Promise<string> {
  const board = await rowsOf<{ id: string }>(api().rpc('create_board', { name: name.trim() }));
  return board.id;
}

/** @throws Failure `missing` when nobody has signed up with this address. */
export async function inviteMember(boardId: string, email: string): Promise<void> {
  await rowsOf(api().rpc('invite_member', { board_id: boardId, email: email.trim() }));
}

export async function removeMember(boardId: string, userId: string): Promise<void> {
  await rowsOf(api().from('board_member').delete().eq('board_id', boardId).eq('user_id', userId));
}
