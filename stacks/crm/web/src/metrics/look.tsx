/** The look of axes, grid and tooltip, the same in every chart and in both colour schemes. */
import type { CSSProperties } from 'react';

export const AXIS = {
  stroke: 'var(--line-strong)',
  tick: { fill: 'var(--muted)' },
  tickLine: false,
  axisLine: { stroke: 'var(--line)' },
} as const;

export const GRID = { stroke: 'var(--line)', vertical: false } as const;

const box: CSSProperties = {
  border: '1px solid var(--line)',
  borderRadius: 6,
  background: 'var(--surface)',
  color: 'var(--text)',
  boxShadow: 'var(--shadow-2)',
};

export const TOOLTIP = {
  contentStyle: box,
  itemStyle: { color: 'var(--text)' },
  cursor: { stroke: 'var(--line-strong)', fill: 'var(--sunken)' },
  isAnimationActive: false,
} as const;

// Keys and screen readers get the numbers as a table instead (chart-frame.tsx).
export const CHART = {
  margin: { top: 8, right: 8, bottom: 0, left: 0 },
  accessibilityLayer: false,
} as const;
export const Y_WIDTH = 40;

/** From not begun (grey) to done (accent): the stages are an order, so their colours are one too. */
export function flowColour(index: number, count: number): string {
  const share = count < 2 ? 100 : Math.round((index / (count - 1)) * 100);
  return `color-mix(in oklab, var(--accent) ${share}%, var(--flow-first))`;
}
