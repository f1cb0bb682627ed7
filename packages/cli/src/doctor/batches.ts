import { type Bytes, eachOf, formatBytes, type NodeInfo, textOf } from '@omx/core';
import { type PathAnswer, type PathQuestion, requirementOf, nodesFor } from '@omx/queue';

import { JobCommands } from '../acting/job-commands.ts';
import { oneLine } from '../render/table.ts';
import type { Selection } from '../select.ts';
import type { Session } from '../session.ts';
import { type Check, fail, ok, warn } from './check.ts';

/** So many jobs of a batch are looked at; the others mostly start the same program. */
const sampledJobs = 20;
const answerMs = 3000;

/** Whether the jobs of a batch would find their folder and their program on every node that may take them. */
export async function checkBatch(session: Session, selection: Selection, nodes: readonly NodeInfo[]): Promise<Check[]> {
  const { batch } = selection;
  const name = `batch ${batch.id}`;
  const requirement = requirementOf(batch.spec);
  const able = nodesFor(requirement, nodes).filter((node) => node.state !== 'down' && node.role !== 'home');
  if (able.length === 0)
    return [warn(name, 'no node that is up may take its jobs', `omx why ${batch.id} says what it asks for`)];
  const questions = await questionsOf(session, selection);
  const answers = new Map<string, readonly PathAnswer[]>();
  const silent: Check[] = [];
  await Promise.all(
    able.map(async (node) => {
      try {
        const reply = await session.asker().askJson(node.name, { type: 'check', paths: questions }, answerMs);
        answers.set(node.name, reply.answers);
      } catch {
        silent.push(warn(name, `${node.name} does not answer, so its paths are not known`, `look at its worker’s log`));
      }
    }),
  );
  const found = questions.flatMap((question, at) => judge(name, question, at, answers));
  if (silent.length + found.length > 0) return [...found, ...silent];
  return [ok(name, `its folder and its program are there on ${[...answers.keys()].sort().join(', ')}`)];
}

function judge(
  name: string,
  question: PathQuestion,
  at: number,
  answers: ReadonlyMap<string, readonly PathAnswer[]>,
): Check[] {
  const what = `its ${question.use === 'folder' ? 'working directory' : 'program'} ${oneLine(textOf(question.path))}`;
  const problems = new Map<string, string[]>();
  const builds = new Map<string, { readonly bytes: number; readonly nodes: string[] }>();
  for (const [node, those] of [...answers].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const answer = those[at];
    if (answer?.problem !== undefined) problems.set(answer.problem, [...(problems.get(answer.problem) ?? []), node]);
    else if (answer?.digest !== undefined) {
      const build = builds.get(answer.digest) ?? { bytes: answer.bytes ?? 0, nodes: [] };
      build.nodes.push(node);
      builds.set(answer.digest, build);
    }
  }
  const checks = [...problems].map(([problem, nodes]) =>
    fail(
      name,
      `${what} ${problem} on ${nodes.join(', ')}`,
      `put it there, use a shared disk, or keep the jobs away with --node`,
    ),
  );
  if (builds.size < 2) return checks;
  const differ = [...builds.values()].map(({ bytes, nodes }) => `${formatBytes(bytes)} on ${nodes.join(', ')}`);
  return [
    ...checks,
    warn(name, `${what} is not the same file everywhere: ${differ.join('; ')}`, 'install the same build on all nodes'),
  ];
}

async function questionsOf(session: Session, { batch, spans }: Selection): Promise<PathQuestion[]> {
  const commands = new JobCommands(session.batches, batch);
  const environment = await session.batches.environment(batch.spec.env);
  const path = environment.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) as Bytes | undefined;
  const questions = new Map<string, PathQuestion>();
  let looked = 0;
  for (const ordinal of eachOf(spans)) {
    if (looked === sampledJobs) break;
    looked += 1;
    const { cwd } = commands.specOf(ordinal);
    const [program] = await commands.argv(ordinal);
    const folder: PathQuestion = { use: 'folder', path: cwd, cwd };
    questions.set(JSON.stringify(folder), folder);
    if (program === undefined) continue;
    const sought: PathQuestion = {
      use: 'program',
      path: program,
      cwd,
      ...(path === undefined ? {} : { search: path }),
    };
    questions.set(JSON.stringify(sought), sought);
  }
  return [...questions.values()];
}
