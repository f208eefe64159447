import { AXIS, px, svgFile, text } from './svg.js';

/** Ratios by row and column, a panel beside another. */
interface HeatMap {
  readonly title: string;
  /** Of all panels, before the first. */
  readonly rows: readonly string[];
  readonly columnLabel: string;
  readonly panels: readonly HeatPanel[];
}

interface HeatPanel {
  readonly title: string;
  readonly columns: readonly string[];
  /** By row and column; null where nothing is known. */
  readonly cells: readonly (readonly (HeatCell | null)[])[];
}

export interface HeatCell {
  /** Coloured by how far it is from 1; null where there is nothing to compare with, which has a colour of its own. */
  readonly ratio: number | null;
  readonly text: string;
  /** Framed: it was also run. */
  readonly framed: boolean;
}

const CELL = { width: 46, height: 24 };
const LEFT = 150;
const TOP = 84;
const GAP = 18;
const MARGIN = 16;

/** Blue where it is better, orange where it is worse, as far apart for those who do not see red and green. */
const BETTER = '#0072b2';
const WORSE = '#d55e00';
const ALONE = '#cc79a7';
/** Twice as good, or half, is as deep as a colour goes. */
const FULL = 1;

/** A heat map as a whole SVG file. */
export function heatMap({ title, rows, columnLabel, panels }: HeatMap): string {
  const lefts: number[] = [];
  let right = LEFT;
  for (const { columns } of panels) {
    lefts.push(right);
    right += columns.length * CELL.width + GAP;
  }
  const bottom = TOP + rows.length * CELL.height;
  return svgFile({ title, width: right - GAP + MARGIN, height: bottom + 44 }, [
    text(title, { x: MARGIN, y: 22, more: 'font-size="14" font-weight="600"' }),
    ...rows.map((row, index) =>
      text(row, { x: LEFT - 8, y: TOP + (index + 0.65) * CELL.height, more: 'text-anchor="end"' }),
    ),
    ...panels.flatMap((panel, index) => drawPanel(panel, lefts[index]!)),
    text(`${columnLabel}; framed: also run; blue: better than whole, orange: worse, pink: only split fits`, {
      x: MARGIN,
      y: bottom + 26,
    }),
  ]);
}

function drawPanel({ title, columns, cells }: HeatPanel, left: number): string[] {
  const middle = (column: number): number => left + (column + 0.5) * CELL.width;
  return [
    text(title, { x: left, y: 48, more: 'font-weight="600"' }),
    ...columns.map((column, index) =>
      text(column, { x: middle(index), y: TOP - 8, more: 'text-anchor="middle"' }),
    ),
    ...cells.flatMap((row, y) =>
      row.flatMap((cell, x) =>
        cell === null ? [] : drawCell(cell, left + x * CELL.width, TOP + y * CELL.height),
      ),
    ),
  ];
}

function drawCell({ ratio, text: content, framed }: HeatCell, x: number, y: number): string[] {
  const [width, height] = [CELL.width - 2, CELL.height - 2];
  const frame = framed ? ` stroke="#000" stroke-width="2"` : ` stroke="${AXIS}" stroke-width="0.3"`;
  const { color, depth } = colorOf(ratio);
  return [
    `<rect x="${px(x + 1)}" y="${px(y + 1)}" width="${width}" height="${height}" ` +
      `fill="${color}" fill-opacity="${depth.toFixed(2)}"${frame}/>`,
    text(content, {
      x: x + CELL.width / 2,
      y: y + 0.65 * CELL.height,
      more: 'text-anchor="middle" font-size="11"',
    }),
  ];
}

function colorOf(ratio: number | null): { readonly color: string; readonly depth: number } {
  if (ratio === null) return { color: ALONE, depth: 0.35 };
  const away = Math.min(1, Math.abs(Math.log2(Math.max(ratio, 1e-9))) / FULL);
  return { color: ratio >= 1 ? BETTER : WORSE, depth: 0.75 * away };
}
