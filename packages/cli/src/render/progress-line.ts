import { doneCount, formatDuration, type StateCounts } from '@omx/core';

import { type Paint, plainPaint } from './paint.ts';
import { displayWidth } from './table.ts';

/** How far a wait has come. */
export interface ProgressView {
  /** What is waited for: `b7`, `b7.1-9`, `3 batches`. */
  readonly label: string;
  readonly total: number;
  readonly counts: StateCounts;
  readonly etaMs?: number;
}

/** The line a terminal shows: `b7 [████░░] 12/40  2 failed  8 running  eta 1m30s`, never wider than `columns`. */
export function barLine(view: ProgressView, columns: number, paint: Paint = plainPaint): string {
  const done = doneCount(view.counts);
  const texts = facts(view);
  // What matters less goes first where there is no room.
  for (let kept = texts.length; kept >= 1; kept -= 1) {
    const plain = texts.slice(0, kept).map((fact) => fact.text);
    const room = columns - displayWidth([view.label, ...plain].join('  ')) - 3;
    if (room < 8 && kept > 1) continue;
    const width = Math.min(30, room);
    const painted = texts
      .slice(0, kept)
      .map((fact) => (fact.style === undefined ? fact.text : paint(fact.style, fact.text)));
    if (width < 4) return displayWidth(plain.join('')) <= columns ? painted.join('') : '';
    return [`${view.label} ${bar(done, view.total, width, paint)}`, ...painted].join('  ');
  }
  return '';
}

/** The line a log gets. */
export function logLine(view: ProgressView): string {
  const percent = view.total === 0 ? 100 : Math.floor((doneCount(view.counts) / view.total) * 100);
  const [first, ...rest] = facts(view).map((fact) => fact.text);
  return `${view.label}: ${[`${first} done (${percent} %)`, ...rest].join(', ')}`;
}

interface Fact {
  readonly text: string;
  readonly style?: Parameters<Paint>[0];
}

function facts({ counts, total, etaMs }: ProgressView): Fact[] {
  const failed = counts.failed + counts.lost;
  const running = counts.running + counts.frozen;
  return [
    { text: `${doneCount(counts)}/${total}` },
    ...(failed > 0 ? [{ text: `${failed} failed`, style: 'red' as const }] : []),
    ...(running > 0 ? [{ text: `${running} running`, style: 'cyan' as const }] : []),
    ...(etaMs === undefined ? [] : [{ text: `eta ${formatDuration(etaMs)}` }]),
    ...(counts.paused > 0 ? [{ text: `${counts.paused} paused`, style: 'yellow' as const }] : []),
    ...(counts.held > 0 ? [{ text: `${counts.held} held`, style: 'yellow' as const }] : []),
    ...(counts.cancelled > 0 ? [{ text: `${counts.cancelled} cancelled`, style: 'magenta' as const }] : []),
  ];
}

function bar(done: number, total: number, width: number, paint: Paint): string {
  const full = total === 0 ? width : Math.floor((done / total) * width);
  return `[${paint('green', '#'.repeat(full))}${'-'.repeat(width - full)}]`;
}
