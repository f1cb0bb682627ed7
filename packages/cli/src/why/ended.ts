import { type BatchSpec, type Bytes, crashLimit, formatBytes, formatDuration, type Job, textOf } from '@omx/core';

import { signalName } from '../render/signals.ts';
import { cut, oneLine } from '../render/table.ts';
import { exitCodeMeaning, signalMeaning } from './exit-code.ts';
import { outcomeText } from './outcome-text.ts';

export type EndedJob = Extract<Job, { readonly status: 'ended' }>;

export interface EndedFacts {
  /** `b7.3`. */
  readonly id: string;
  readonly job: EndedJob;
  readonly node: string | undefined;
  /** As reruns have changed it. */
  readonly spec: BatchSpec;
  readonly argv: readonly Bytes[];
  /** Of a job that was cancelled with all untouched jobs of its batch: what the batch says of it. */
  readonly cancelNote: string | undefined;
  /** The PATH its program was looked for in. */
  readonly path: string | undefined;
  /** A file of the program's name is in its working directory. */
  readonly programInCwd: boolean;
  /** The last line of its stderr, where the queue has it. */
  readonly lastWords: string | undefined;
}

/** How a job ended, what that usually means, and what to try. */
export function endedReasons(facts: EndedFacts): string[] {
  const { job, id, lastWords } = facts;
  const reasons = [`it ${endText(facts)}`, ...advice(facts)];
  if (lastWords !== undefined && job.outcome.kind !== 'succeeded')
    reasons.push(`the last line of its stderr: ${cut(oneLine(lastWords), 200)}`);
  reasons.push(...retryReasons(facts));
  if (job.outcome.kind !== 'succeeded' && job.output.outBytes + job.output.errBytes > 0)
    reasons.push(`omx logs ${id} --both shows its output`);
  return reasons;
}

function endText({ job, node, cancelNote }: EndedFacts): string {
  if (cancelNote !== undefined) return `was ${cancelNote}`;
  const where = node === undefined ? '' : ` on ${node}`;
  const after = job.startedAt === undefined ? '' : ` after ${formatDuration(job.endedAt - job.startedAt)}`;
  const attempt = job.attempt > 1 ? ` (attempt ${job.attempt})` : '';
  const text = outcomeText(job.outcome);
  const passive = ['cancelled', 'not-started', 'lost'].includes(job.outcome.kind);
  return `${passive ? 'was ' : ''}${text}${where}${after}${attempt}`;
}

function advice(facts: EndedFacts): string[] {
  const { job, id, spec } = facts;
  const { outcome } = job;
  switch (outcome.kind) {
    case 'succeeded':
      return [];
    case 'exited':
      return [exitCodeMeaning(outcome.code) ?? []].flat();
    case 'signalled':
      return [signalMeaning(signalName(outcome.signal)) ?? []].flat();
    case 'timed-out':
      return [
        `the limit is ${formatDuration(spec.limits.timeMs ?? 0)} (--time); omx rerun ${id} --set time=… gives it more`,
      ];
    case 'oom':
      return memoryAdvice(facts);
    case 'cancelled':
      return [];
    case 'not-started':
      return notStartedAdvice(facts);
    case 'lost':
      return [
        `${crashLimit} nodes died while they ran it, so it was given up: it may be what kills them`,
        `omx rerun ${id} tries it again`,
      ];
  }
}

function memoryAdvice({ job, id, spec }: EndedFacts): string[] {
  const { memBytes } = spec.limits;
  const most = job.usage.maxRssKib === 0 ? '' : `; its largest process had ${formatBytes(job.usage.maxRssKib * 1024)}`;
  const limit =
    memBytes === undefined
      ? 'the node ran out of memory and its kernel chose this job'
      : `it may use ${formatBytes(memBytes)} (--mem)`;
  return [
    `${limit}${most}`,
    `omx rerun ${id} --set mem=${formatBytes((memBytes ?? job.usage.maxRssKib * 1024) * 2)} gives it more`,
  ];
}

function notStartedAdvice(facts: EndedFacts): string[] {
  const { job, spec, argv, path, programInCwd } = facts;
  if (job.outcome.kind !== 'not-started') return [];
  const program = oneLine(textOf(argv[0] ?? ('' as Bytes)));
  const cwd = oneLine(textOf(spec.cwd));
  const everywhere = lookEverywhere(facts);
  switch (job.outcome.reason) {
    case 'no-such-program':
      if (programInCwd) return [`a file ${program} is in ${cwd}: did you mean ./${program}?`];
      if (/\s/.test(program))
        return [
          `the program’s name is taken to be '${program}': write program and arguments as words of their own, or use --shell`,
        ];
      if (program.includes('/'))
        return [
          `the program is ${program}${program.startsWith('/') ? '' : `, seen from ${cwd}`}; it must be there on every node, and so must its interpreter (#!)`,
          everywhere,
        ];
      return [
        `the program is ${program}; the PATH there: ${path === undefined || path === '' ? 'not set' : oneLine(path)}`,
        everywhere,
      ];
    case 'not-executable':
      return [`the program is ${program}: is it a file, and may it be executed? (chmod +x)`];
    case 'no-interpreter':
      return [
        `the program is ${program}: a script must begin with #!/path/of/interpreter, a binary be built for that machine`,
      ];
    case 'no-such-cwd':
      return [`the directory is ${cwd}: it must be there on every node, or be set with --cwd`, everywhere];
    case 'no-such-stdin':
      return [`the file is ${oneLine(textOf(spec.stdin ?? ('' as Bytes)))}: it must be readable on every node`];
    case 'too-long':
      return ['the kernel takes some 2 MB of both together and 128 KB of one argument: put long values into files'];
    case 'launcher-unavailable':
      return [
        `it asks for --launcher ${spec.launcher === 'auto' ? 'criu, by what it wants of it' : spec.launcher}; omx nodes shows which node has which, and --node or --label keeps jobs there`,
      ];
    case 'other':
      return ['the log of the node’s worker says more'];
  }
}

/** One node may lack what another has. */
function lookEverywhere({ id }: EndedFacts): string {
  return `omx doctor ${id} looks for it on every node`;
}

function retryReasons({ job, id, spec }: EndedFacts): string[] {
  const { retries } = spec.limits;
  const reasons: string[] = [];
  if (job.crashes > 0 && job.outcome.kind !== 'lost')
    reasons.push(
      `${job.crashes} earlier ${job.crashes === 1 ? 'attempt' : 'attempts'} died with the node; that is not charged to --retries`,
    );
  if (job.outcome.kind === 'succeeded' || job.outcome.kind === 'cancelled' || job.outcome.kind === 'lost')
    return reasons;
  if (retries === 0) reasons.push(`no retries were asked for (--retries); omx rerun ${id} runs it again`);
  else if (job.retries >= retries)
    reasons.push(
      `${retries === 1 ? 'its one retry is' : `all ${retries} retries are`} used; omx rerun ${id} runs it again`,
    );
  else reasons.push(`${job.retries} of ${retries} retries used: --retry-on does not include this end`);
  return reasons;
}
