import {
  type Batch,
  type BatchSpec,
  eachOf,
  type JobLimits,
  type LauncherName,
  type NodeInfo,
  reviseSpec,
  type Span,
} from '@omx/core';

/** What a job asks of the node it is to run on. */
export interface Requirement {
  /** One of these; empty: any. */
  readonly nodes: readonly string[];
  /** All of these. */
  readonly labels: Readonly<Record<string, string>>;
  readonly cpus: number;
  /** 0: it does not say. */
  readonly memBytes: number;
  /** It shares slots with others of its kind. */
  readonly oversubscribe: boolean;
  /** The only one they can do with; undefined: any. Where no node has it, any node may say so. */
  readonly launcher?: LauncherName;
}

/** What of a node decides whether it can ever hold a job. */
export type NodeSize = Pick<NodeInfo, 'name' | 'labels' | 'maxSlots' | 'memTotal'>;

/** The same, with what its jobs can be started with. */
export type NodeOffer = NodeSize & Pick<NodeInfo, 'launchers' | 'trying'>;

/** Of a spec what says where its jobs may run. */
export type Asking = Pick<
  BatchSpec,
  'nodes' | 'labels' | 'oversubscribe' | 'launcher' | 'checkpointMs' | 'forkMigrate'
> & {
  readonly limits: Pick<JobLimits, 'cpus' | 'memBytes'>;
};

export function requirementOf(spec: Asking): Requirement {
  const { nodes, labels, limits, oversubscribe } = spec;
  const launcher = launcherFor(spec);
  return {
    ...{ nodes, labels, cpus: limits.cpus, memBytes: limits.memBytes ?? 0, oversubscribe },
    ...(launcher === undefined ? {} : { launcher }),
  };
}

/** Some things a batch may ask for only criu can give. */
function launcherFor({ launcher, checkpointMs, oversubscribe, forkMigrate }: Asking): LauncherName | undefined {
  if (launcher === 'auto') return checkpointMs !== undefined || oversubscribe || forkMigrate ? 'criu' : undefined;
  return launcher === 'plain' ? undefined : launcher;
}

/**
 * The nodes that could hold such a job and start it; where none of those has its launcher, those that may have it in a
 * moment, and where there are none of these, those that would say so.
 */
export function nodesFor<Node extends NodeOffer>(requirement: Requirement, nodes: readonly Node[]): Node[] {
  const large = nodes.filter((node) => suits(requirement, node));
  const fit = large.filter((node) => offers(requirement, node));
  if (fit.length > 0) return fit;
  const trying = large.filter((node) => isTrying(requirement, node));
  return trying.length > 0 ? trying : large;
}

/** Whether it is still to be found out there if the job's launcher works. */
export function isTrying({ launcher }: Requirement, { trying }: Pick<NodeInfo, 'trying'>): boolean {
  return launcher !== undefined && trying?.includes(launcher) === true;
}

/** Whether the node has the launcher that the job needs. */
export function offers({ launcher }: Requirement, node: Pick<NodeInfo, 'launchers'>): boolean {
  return launcher === undefined || node.launchers.includes(launcher);
}

/** Whether the node could run such a job if nothing else ran there. A node that does not know its memory may have enough. */
export function suits(requirement: Requirement, node: NodeSize): boolean {
  return (
    isNamed(requirement, node) &&
    isLabelled(requirement, node) &&
    requirement.cpus <= node.maxSlots &&
    (requirement.memBytes <= node.memTotal || node.memTotal === 0)
  );
}

export function isNamed({ nodes }: Requirement, node: NodeSize): boolean {
  return nodes.length === 0 || nodes.includes(node.name);
}

export function isLabelled({ labels }: Requirement, node: NodeSize): boolean {
  return Object.entries(labels).every(([key, value]) => node.labels[key] === value);
}

/**
 * Which queue the jobs' chunks travel in, so that a node is only offered what it can hold: `any`, or what they ask for,
 * as `node=a,node=b,label=gpu~yes,cpus=4,mem=1073741824`. Jobs that share slots travel apart, as a full node takes them, too.
 */
export function placementClass({ nodes, labels, cpus, memBytes, oversubscribe, launcher }: Requirement): string {
  const parts = [
    ...nodes.toSorted().map((node) => `node=${encode(node)}`),
    ...Object.entries(labels)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `label=${encode(key)}~${encode(value)}`),
    ...(cpus > 1 ? [`cpus=${cpus}`] : []),
    ...(memBytes > 0 ? [`mem=${memBytes}`] : []),
    ...(oversubscribe ? ['shared=yes'] : []),
    ...(launcher === undefined ? [] : [`launcher=${launcher}`]),
  ];
  return parts.length === 0 ? 'any' : parts.join(',');
}

export function parsePlacementClass(text: string): Requirement {
  const nodes: string[] = [];
  const labels: Record<string, string> = {};
  let [cpus, memBytes, oversubscribe] = [1, 0, false];
  let launcher: LauncherName | undefined;
  for (const part of text.split(',')) {
    const [kind, value = ''] = part.split('=');
    if (kind === 'node') nodes.push(decodeURIComponent(value));
    else if (kind === 'cpus') cpus = Number(value);
    else if (kind === 'mem') memBytes = Number(value);
    else if (kind === 'shared') oversubscribe = true;
    else if (kind === 'launcher') launcher = value as LauncherName;
    else if (kind === 'label') {
      const [key = '', text = ''] = value.split('~').map(decodeURIComponent);
      labels[key] = text;
    }
  }
  return { nodes, labels, cpus, memBytes, oversubscribe, ...(launcher === undefined ? {} : { launcher }) };
}

/** What the jobs of a chunk ask for together: each limit as large as the largest, as reruns have changed them. */
export function chunkRequirement(batch: Pick<Batch, 'spec' | 'revisions'>, spans: readonly Span[]): Requirement {
  const { spec, revisions } = batch;
  if (!revisions.some(({ limits }) => changesSize(limits))) return requirementOf(spec);
  let [cpus, memBytes] = [1, 0];
  for (const ordinal of eachOf(spans)) {
    const { limits } = reviseSpec(spec, revisions, ordinal);
    cpus = Math.max(cpus, limits.cpus);
    memBytes = Math.max(memBytes, limits.memBytes ?? 0);
  }
  return { ...requirementOf(spec), cpus, memBytes };
}

/** All classes chunks of the batch may travel in, jobs of different limits in one chunk included. */
export function classesOf({ spec, revisions }: Pick<Batch, 'spec' | 'revisions'>): Set<string> {
  const plain = requirementOf(spec);
  const cpus = [plain.cpus, ...revisions.flatMap(({ limits }) => limits.cpus ?? [])];
  const memory = [plain.memBytes, ...revisions.flatMap(({ limits }) => limits.memBytes ?? [])];
  return new Set(
    cpus.flatMap((count) => memory.map((memBytes) => placementClass({ ...plain, cpus: count, memBytes }))),
  );
}

function changesSize(limits: Partial<JobLimits>): boolean {
  return limits.cpus !== undefined || limits.memBytes !== undefined;
}

/** `~` parts key and value here, and is the one mark encodeURIComponent leaves as it is. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll('~', '%7E');
}
