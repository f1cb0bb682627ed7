import { describe, test } from 'vitest';

import { needs } from '../kit/needs.ts';
import { onGround } from './kit/played.ts';
import { type Case, type Moment, moments, playAndHold } from './kit/scene.ts';
import { type Signal, signals, type Victim, victims } from './kit/strike.ts';

/** All pairs, and with `npm run chaos` they are all played; `npm test` plays those that have most to go wrong. */
const all = victims.flatMap((victim) =>
  moments.flatMap((moment) => signals.map((signal): Case => ({ victim, moment, signal }))),
);
const short: readonly [Victim, Moment, Signal][] = [
  ['worker', 'at start', 'SIGKILL'],
  ['worker', 'running', 'SIGSTOP'],
  ['worker', 'while reporting', 'SIGKILL'],
  ['shepherd', 'at start', 'SIGKILL'],
  ['shepherd', 'at end', 'SIGKILL'],
  ['shepherd', 'running', 'SIGSTOP'],
  ['redis', 'before start', 'SIGKILL'],
  ['redis', 'running', 'SIGSTOP'],
  ['redis', 'while reporting', 'SIGKILL'],
  ['submitter', 'before start', 'SIGKILL'],
  ['node', 'running', 'SIGKILL'],
  ['node', 'at end', 'SIGSTOP'],
];
const isShort = ({ victim, moment, signal }: Case): boolean =>
  short.some(([who, when, how]) => who === victim && when === moment && how === signal);
const played = process.env['OMX_CHAOS'] === 'all' ? all : all.filter(isShort);

describe.concurrent('whoever dies at whatever moment', () => {
  for (const each of played) {
    const kind = each.victim === 'node' ? 'cluster' : 'machine';
    test(`${each.victim} ${each.moment} by ${each.signal}`, async (ctx) => {
      const reason = needs('bash', ...(kind === 'cluster' ? (['netns'] as const) : []));
      if (reason !== undefined) ctx.skip(reason);
      await onGround({ kind, nodes: 2, slots: 1 }, async (ground, said) => playAndHold(ground, each, said));
    });
  }
});
