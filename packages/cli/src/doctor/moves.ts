import { errorOf, type NodeInfo } from '@omx/core';
import { type AttemptName, isRefusal, type JobTraits, nodesFor, type Refusal, requirementOf } from '@omx/queue';

import type { Selection } from '../select.ts';
import type { Session } from '../session.ts';
import { type Check, ok, warn } from './check.ts';

const answerMs = 10_000;
/** So many running jobs of a batch are looked at; the others mostly run the same program. */
const sampledJobs = 5;

/** Whether running jobs can go from each node with CRIU to each other one, whatever they are: processors and accounts. */
export async function checkMoves(session: Session, nodes: readonly NodeInfo[]): Promise<Check[]> {
  const name = 'moves';
  const able = nodes.filter(takesMoves);
  if (able.length < 2) return [];
  const kinds = new Map<string, { readonly traits: JobTraits; readonly nodes: string[] }>();
  const checks: Check[] = [];
  for (const node of able) {
    const traits = await askTraits(session, node.name);
    if ('refused' in traits) {
      checks.push(
        warn(name, `${node.name} does not say what its jobs need elsewhere: ${traits.refused}`, traits.hint ?? null),
      );
      continue;
    }
    const key = JSON.stringify([traits.arch, traits.cpu, traits.userNamespace]);
    const kind = kinds.get(key) ?? { traits, nodes: [] };
    kind.nodes.push(node.name);
    kinds.set(key, kind);
  }
  for (const from of kinds.values()) {
    for (const to of kinds.values()) {
      if (from === to) continue;
      const refusal = await askFits(session, to.nodes[0] ?? '', from.traits);
      if (refusal !== undefined)
        checks.push(
          warn(
            name,
            `no job can go from ${from.nodes.join(', ')} to ${to.nodes.join(', ')}: ${refusal.refused}`,
            refusal.hint ?? null,
          ),
        );
    }
  }
  if (checks.length > 0) return checks;
  return [
    ok(
      name,
      `processors and accounts of ${able.map((node) => node.name).join(', ')} fit: jobs under criu can go from each to each`,
    ),
  ];
}

/** Where the running jobs of a batch could go on: programs and libraries that are the same, and processors. */
export async function checkMovesOf(
  session: Session,
  selection: Selection,
  nodes: readonly NodeInfo[],
): Promise<Check[]> {
  const { batch, spans } = selection;
  const places = nodesFor(requirementOf(batch.spec), nodes).filter(takesMoves);
  if (places.length === 0) return [];
  const checks: Check[] = [];
  let looked = 0;
  for (const node of nodes.filter(takesMoves)) {
    const jobs = await session
      .asker()
      .askJson(node.name, { type: 'movable' }, answerMs)
      .then(
        (answer) => answer.jobs,
        () => [],
      );
    for (const { id, ordinal, attempt } of jobs.filter((job) => job.batch === batch.id)) {
      if (looked === sampledJobs) return checks;
      if (!spans.some(({ first, last }) => ordinal >= first && ordinal <= last)) continue;
      const job = { batch: batch.id, ordinal, attempt };
      const found = await checkJob(session, { id, job, from: node.name }, places);
      if (found.length > 0) looked += 1;
      checks.push(...found);
    }
  }
  return checks;
}

async function checkJob(
  session: Session,
  { id, job, from }: { readonly id: string; readonly job: AttemptName; readonly from: string },
  places: readonly NodeInfo[],
): Promise<Check[]> {
  const name = `job ${id}`;
  const traits = await askTraits(session, from, job);
  // What is not under criu is said by omx why, and what has ended meanwhile is no matter.
  if ('refused' in traits) return traits.code === undefined ? [warn(name, traits.refused, traits.hint ?? null)] : [];
  const fit: string[] = [];
  const checks: Check[] = [];
  for (const { name: to } of places) {
    if (to === from) continue;
    const refusal = await askFits(session, to, traits);
    if (refusal === undefined) fit.push(to);
    else
      checks.push(
        warn(name, `it runs on ${from} and could not go on at ${to}: ${refusal.refused}`, refusal.hint ?? null),
      );
  }
  return fit.length === 0 ? checks : [ok(name, `it runs on ${from} and could go on at ${fit.join(', ')}`), ...checks];
}

function takesMoves({ state, role, launchers }: NodeInfo): boolean {
  return state === 'up' && role !== 'home' && launchers.includes('criu');
}

async function askTraits(session: Session, node: string, job?: AttemptName): Promise<JobTraits | Refusal> {
  const request = { type: 'traits', ...(job === undefined ? {} : { job }) } as const;
  return session.asker().askJson(node, request, answerMs).catch(silent);
}

/** Undefined: it fits. */
async function askFits(session: Session, node: string, traits: JobTraits): Promise<Refusal | undefined> {
  const answer = await session.asker().askJson(node, { type: 'fits', traits }, answerMs).catch(silent);
  return isRefusal(answer) ? answer : undefined;
}

function silent(error: unknown): Refusal {
  return { refused: errorOf(error).message };
}
