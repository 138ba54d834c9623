/** What a chart counts: cards, or the points of their estimates. */
export type Unit = 'cards' | 'points';
