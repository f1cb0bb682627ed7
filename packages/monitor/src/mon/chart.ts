import type { NodeInfo } from '@omx/core';

import { fit, line, type Line } from '../terminal/line.ts';
import type { Glyphs } from '../terminal/terminal.ts';
import { barCells, barRow, type Cell, wordCells } from './bars.ts';
import { axisShares, type Layout, margin } from './layout.ts';
import { type Measure, number } from './measure.ts';

/** The bars with their axis and the line they stand on. */
export function chart(
  layout: Layout,
  measure: Measure,
  seen: readonly NodeInfo[],
  glyphs: Glyphs,
  columns: number,
): Line[] {
  const { rows, ceiling } = layout;
  const share = (value: number): number => measure.share(number(value), ceiling);
  const bars = seen.map((node): Cell[] =>
    node.state === 'down' ? wordCells('DOWN', rows.bars, 'bad') : barCells(measure.bar(node), share, rows.bars, glyphs),
  );
  const labels = axisLabels(layout, measure);
  const word = layout.word ? measure.word : '';
  const lines: Line[] = Array.from({ length: rows.bars }, (_, at) => {
    const beside = layout.word ? `${word[at - Math.max(0, Math.floor((rows.bars - word.length) / 2))] ?? ' '} ` : '';
    const label = fit(labels.get(at) ?? '', layout.labels, 'right');
    return [
      { text: `${beside}${label}${glyphs.axis}`, style: 'plain' },
      ...barRow(bars, rows.bars - 1 - at, layout.bar, layout.slot),
    ];
  });
  const before = margin(layout).length - 1;
  const zero = fit(layout.labels === 0 ? '' : measure.label(0), before, 'right');
  lines.push(
    line(
      zero + glyphs.corner + glyphs.base.repeat(Math.max(0, Math.min(columns - before - 1, seen.length * layout.slot))),
    ),
  );
  return lines;
}

/** Texts beside the axis by row from the top; where rows are few, only some. The zero stands beside the base line. */
function axisLabels({ rows, ceiling, labels }: Layout, measure: Measure): Map<number, string> {
  if (labels === 0) return new Map();
  const shares = axisShares.filter(
    (share) => share > 0 && (rows.bars >= 8 || share === 1 || (share === 0.5 && rows.bars >= 4)),
  );
  return new Map(
    shares.map((share) => [Math.round((1 - share) * rows.bars), measure.label(measure.value(share, ceiling))]),
  );
}
