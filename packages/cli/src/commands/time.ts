import { doneCount, formatBytes } from '@omx/core';
import { queueClock } from '@omx/queue';

import { type Io, say, write, writeJson } from '../io.ts';
import { painter } from '../render/paint.ts';
import { type Column, renderTable } from '../render/table.ts';
import { classicTimes, secondsOfMs, secondsOfUs } from '../render/times.ts';
import { failuresOnly, jobFilter, select, type Selection, type StateFilter } from '../select.ts';
import { type Session, withSession } from '../session.ts';
import { type Measures, UsageCollector, type UsageSummary } from '../usage-summary.ts';

interface TimeOptions extends StateFilter {
  readonly redis?: string;
  readonly json?: boolean;
}

/** What `time` says of all selected jobs together. */
interface TimeReport {
  readonly summary: UsageSummary;
  /** From the first start to the last end, seconds; user and sys with all attempts. */
  readonly real: number;
  readonly user: number;
  readonly sys: number;
  /** Sum of the jobs' real times over the real time of all together. */
  readonly speedUp: number | null;
  /** CPU time used over the CPU time there was: real time × slots of the nodes used. */
  readonly efficiency: number | null;
  /** Slots of the nodes used, by name; of a node that has left they are not known. */
  readonly slots: ReadonlyMap<string, number>;
  readonly notEnded: number;
}

/** `omx time`: what the jobs used, and how well the nodes were used by them. */
export async function time(io: Io, selectors: readonly string[], options: TimeOptions): Promise<number> {
  return withSession(io, options, async (session) => {
    const report = await measure(session, await select(session, selectors), options);
    if (options.json === true) await writeJson(io, timeJson(report));
    else await write(io.stdout, text(io, report));
    return 0;
  });
}

async function measure(session: Session, selections: readonly Selection[], filter: StateFilter): Promise<TimeReport> {
  const passes = jobFilter(filter);
  const filtered = filter.failed === true || filter.state !== undefined;
  const collector = new UsageCollector();
  const now = queueClock.now();
  const all = { first: Infinity, last: -Infinity, userUs: 0, sysUs: 0, notEnded: 0 };
  for (const { batch, spans, whole } of selections) {
    let names = await session.batches.nodeNames(batch.id);
    for await (const snapshots of session.jobs.scan(batch, spans, { failedOnly: failuresOnly(filter) })) {
      for (const { job } of snapshots) {
        if (!passes(job)) continue;
        if ('startedAt' in job && job.startedAt !== undefined) {
          all.first = Math.min(all.first, job.startedAt);
          all.last = Math.max(all.last, job.status === 'ended' ? job.endedAt : now);
        }
        if (job.status !== 'ended') all.notEnded += 1;
        else if (job.startedAt !== undefined) {
          const { userUs, sysUs, maxRssKib } = job.usage;
          const used = {
            real: Math.max(0, job.endedAt - job.startedAt) / 1000,
            user: userUs / 1e6,
            sys: sysUs / 1e6,
            maxRss: maxRssKib * 1024,
          };
          all.userUs += userUs;
          all.sysUs += sysUs;
          if (job.node !== undefined && !names.has(job.node)) names = await session.batches.nodeNames(batch.id);
          collector.add(used, job.node === undefined ? undefined : names.get(job.node));
        }
      }
    }
    if (!whole || filtered) continue;
    // The batch's own sums also have the attempts that failed and were tried again.
    const progress = await session.batches.progress(batch);
    all.first = Math.min(all.first, progress.firstStartAt ?? Infinity);
    if (progress.firstStartAt !== undefined)
      all.last = Math.max(all.last, doneCount(progress.counts) < batch.total ? now : (progress.endedAt ?? -Infinity));
  }
  const sums = filtered || !selections.every(({ whole }) => whole) ? all : await batchSums(session, selections);
  return judge(session, collector.summary(), {
    real: all.last > all.first ? secondsOfMs(all.last - all.first) : 0,
    user: secondsOfUs(sums.userUs),
    sys: secondsOfUs(sums.sysUs),
    notEnded: all.notEnded,
  });
}

async function batchSums(
  session: Session,
  selections: readonly Selection[],
): Promise<{ userUs: number; sysUs: number }> {
  const sums = { userUs: 0, sysUs: 0 };
  for (const { batch } of selections) {
    const { userUs, sysUs } = await session.batches.progress(batch);
    sums.userUs += userUs;
    sums.sysUs += sysUs;
  }
  return sums;
}

async function judge(
  session: Session,
  summary: UsageSummary,
  sums: Pick<TimeReport, 'real' | 'user' | 'sys' | 'notEnded'>,
): Promise<TimeReport> {
  const known = new Map((await session.nodes.list()).map((node) => [node.name, node.slots]));
  const slots = new Map(
    summary.nodes.flatMap(({ name }) => (known.has(name) ? [[name, known.get(name) ?? 0] as const] : [])),
  );
  const room = [...slots.values()].reduce((sum, each) => sum + each, 0);
  const measurable = sums.real > 0 && summary.jobs > 0;
  return {
    ...sums,
    summary,
    slots,
    speedUp: measurable ? round(summary.total.real / sums.real) : null,
    efficiency:
      measurable && room > 0 && slots.size === summary.nodes.length
        ? round((sums.user + sums.sys) / (sums.real * room))
        : null,
  };
}

function timeJson({
  summary,
  real,
  user,
  sys,
  speedUp,
  efficiency,
  slots,
  notEnded,
}: TimeReport): Record<string, unknown> {
  const measures = (each: Measures | undefined): Measures | null =>
    each === undefined
      ? null
      : { real: micro(each.real), user: micro(each.user), sys: micro(each.sys), maxRss: each.maxRss };
  return {
    jobs: summary.jobs,
    notEnded,
    real,
    user,
    sys,
    maxRss: summary.total.maxRss,
    total: measures(summary.total),
    p50: measures(summary.p50),
    p95: measures(summary.p95),
    max: measures(summary.max),
    speedUp,
    efficiency,
    nodes: summary.nodes.map((node) => ({
      name: node.name,
      slots: slots.get(node.name) ?? null,
      jobs: node.jobs,
      real: micro(node.real),
      user: micro(node.user),
      sys: micro(node.sys),
    })),
  };
}

const columns: readonly Column[] = [
  { title: '' },
  { title: 'real', align: 'right' },
  { title: 'user', align: 'right' },
  { title: 'sys', align: 'right' },
  { title: 'maxrss', align: 'right' },
];

function text(io: Io, report: TimeReport): string {
  const { summary, speedUp, efficiency, slots, notEnded } = report;
  if (notEnded > 0)
    say(
      io,
      `${notEnded} ${notEnded === 1 ? 'job has' : 'jobs have'} not ended and ${notEnded === 1 ? 'is' : 'are'} not counted`,
    );
  const row = (name: string, each: Measures | undefined): string[][] =>
    each === undefined
      ? []
      : [[name, each.real.toFixed(3), each.user.toFixed(3), each.sys.toFixed(3), formatBytes(each.maxRss)]];
  const rows = [
    ...row('total', summary.total),
    ...row('p50', summary.p50),
    ...row('p95', summary.p95),
    ...row('max', summary.max),
  ];
  const nodes = summary.nodes.map(
    ({ name, jobs }) =>
      `${name} (${jobs} ${jobs === 1 ? 'job' : 'jobs'}${slots.has(name) ? `, ${slots.get(name)} slots` : ''})`,
  );
  const facts = [
    `jobs        ${summary.jobs}`,
    ...(nodes.length === 0 ? [] : [`nodes       ${nodes.join(', ')}`]),
    ...(speedUp === null
      ? []
      : [`speed-up    ${speedUp.toFixed(2)}  (the jobs’ real times over that of all together)`]),
    ...(efficiency === null
      ? []
      : [`efficiency  ${(efficiency * 100).toFixed(1)} %  (CPU time used of what the slots had)`]),
  ];
  const table = summary.jobs === 0 ? [] : ['', ...renderTable(columns, rows, painter(io))];
  return [...facts, ...table, '', ...classicTimes(report), ''].join('\n');
}

function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}

function micro(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
