/** Reads from the page which column and which gap between cards lie under the pointer. */
import type { Place } from '../api/cards';
import { placeAtPoint, type Box } from './placing';

/** @returns the place among the shown cards, without the dragged one */
export function placeUnderPointer(
  board: HTMLElement,
  point: { readonly x: number; readonly y: number },
  draggedId: string,
): Place | null {
  const columns = [...board.querySelectorAll<HTMLElement>('[data-column-id]')];
  const byId = new Map(columns.map((element) => [element.dataset.columnId ?? '', element]));
  const boxes = [...byId].map(([id, element]) => boxOf(id, element));
  return placeAtPoint(point, boxes, (columnId) => {
    const cards = byId.get(columnId)?.querySelectorAll<HTMLElement>('[data-card-id]') ?? [];
    return [...cards]
      .filter((card) => card.dataset.cardId !== draggedId)
      .map((card) => boxOf(card.dataset.cardId ?? '', card));
  });
}

function boxOf(id: string, element: HTMLElement): Box {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  return { id, left, right, top, bottom };
}
