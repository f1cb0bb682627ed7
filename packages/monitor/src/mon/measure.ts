import { formatBytes, type NodeInfo } from '@omx/core';

export const measureNames = ['load', 'log', 'speed', 'memory', 'use'] as const;
export type MeasureName = (typeof measureNames)[number];

/** What the bars show of each node. A bar has a solid part and a light one above it. */
export interface Measure {
  /** Written downwards beside the axis. */
  readonly word: string;
  readonly title: string;
  /** What the two parts stand for; one word where there is no light part. */
  readonly parts: readonly [string] | readonly [string, string];
  readonly bar: (node: NodeInfo) => Bar;
  /** What the top of the axis stands for, from the highest bar. */
  readonly ceiling: (highest: number) => number;
  readonly label: (value: number) => string;
  /** Height of a value as a share of the axis, 0 to 1, and back. */
  readonly share: (value: number, ceiling: number) => number;
  readonly value: (share: number, ceiling: number) => number;
}

export interface Bar {
  readonly solid: number;
  readonly light: number;
  /** The value as a number, where there is room for it. */
  readonly text: string;
}

const linear = {
  share: (value: number, ceiling: number) => value / ceiling,
  value: (share: number, ceiling: number) => share * ceiling,
};

const logarithmic = {
  share: (value: number, ceiling: number) => Math.log2(1 + value) / Math.log2(1 + ceiling),
  value: (share: number, ceiling: number) => 2 ** (share * Math.log2(1 + ceiling)) - 1,
};

const load = {
  word: 'LOAD',
  title: 'load per CPU',
  parts: ['omx', 'others'],
  // By CPU, so that a large node and a small one that are equally pressed have bars of one height, as MOSIX's load has it.
  bar: (node) => {
    const others = Math.min(number(node.externalLoad), number(node.load)) / cpusOf(node);
    const all = number(node.load) / cpusOf(node);
    return { solid: all - others, light: others, text: all.toFixed(2) };
  },
  ceiling: (highest) => roundUp(Math.max(1, highest)),
  label: (value) => value.toFixed(2),
} satisfies Partial<Measure>;

export const measures: Readonly<Record<MeasureName, Measure>> = {
  load: { ...load, ...linear },
  log: { ...load, ...logarithmic, title: 'load per CPU, log scale' },
  speed: {
    ...linear,
    word: 'SPEED',
    title: 'speed of one CPU',
    parts: ['speed'],
    bar: (node) => ({ solid: number(node.speed), light: 0, text: `${short(number(node.speed))}x${cpusOf(node)}` }),
    ceiling: (highest) => roundUp(Math.max(1, highest)),
    label: short,
  },
  memory: {
    ...linear,
    word: 'MEMORY',
    title: 'memory',
    parts: ['used', 'free'],
    bar: (node) => {
      const total = number(node.memTotal);
      const free = Math.min(number(node.memFree), total);
      return { solid: total - free, light: free, text: formatBytes(total - free) };
    },
    ceiling: (highest) => Math.max(1, highest),
    label: formatBytes,
  },
  use: {
    ...linear,
    word: 'USE',
    title: 'CPU in use',
    parts: ['use'],
    bar: (node) => {
      const percent = Math.min(100, (100 * number(node.busy)) / cpusOf(node));
      return { solid: percent, light: 0, text: `${percent.toFixed(0)}%` };
    },
    ceiling: () => 100,
    label: (value) => `${value.toFixed(0)}%`,
  },
};

export function cpusOf(node: NodeInfo): number {
  return Math.max(1, number(node.cpus));
}

/** A node of another version may not say everything. */
export function number(value: number): number {
  return Number.isFinite(value) && value > 0 ? value : 0;
}

/** The next value that makes a steady axis: 1, 1.5, 2, 3, 4, 6 or 8 times a power of ten. */
export function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 1.5, 2, 3, 4, 6, 8, 10].find((known) => known * power >= value * 0.999);
  return (step ?? 10) * power;
}

function short(value: number): string {
  if (value >= 9_999_500) return `${(value / 1e6).toFixed(0)}M`;
  return value >= 9999.5 ? `${(value / 1000).toFixed(0)}k` : value.toFixed(value < 10 ? 1 : 0);
}
