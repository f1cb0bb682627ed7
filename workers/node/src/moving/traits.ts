import { arch } from 'node:process';

import {
  type CapsuleJob,
  checkCpuFeatures,
  type CriuProgram,
  describeFile,
  differences,
  dumpCpuFeatures,
  inspect,
  type NeededFile,
  readMembers,
  readProcessTable,
  treeRss,
} from '@omx/launch';
import type { JobTraits, Refusal } from '@omx/queue';

import { refusalOf } from './refusals.ts';

/**
 * What another node must have to go on with a job, from a look at it while it runs.
 * @throws NOT_RUNNING; CANNOT_MOVE with what the job holds that cannot be moved
 */
export async function readTraits(criu: CriuProgram, job: CapsuleJob, slots: number): Promise<JobTraits> {
  const members = readMembers(job.pid);
  const { needed } = inspect(members, job.shape);
  return {
    arch,
    criu: criu.version,
    userNamespace: job.shape.userNamespace,
    rss: treeRss(job.pid, readProcessTable()),
    slots,
    needed: JSON.stringify(needed.map(describeFile).filter((file) => file !== undefined)),
    cpu: await dumpCpuFeatures(criu),
  };
}

/** What another node must have to go on with whatever runs here under CRIU, as far as that is the same for all jobs. */
export async function machineTraits(criu: CriuProgram): Promise<JobTraits> {
  return {
    ...{ arch, criu: criu.version, userNamespace: process.geteuid?.() !== 0, rss: 0, slots: 1, needed: '[]' },
    cpu: await dumpCpuFeatures(criu),
  };
}

/** Why this machine could not go on with such a job, whatever room it has. */
export async function misfit(criu: CriuProgram, traits: JobTraits): Promise<Refusal | undefined> {
  if (traits.arch !== arch)
    return { refused: `it runs on ${traits.arch}, this node is ${arch}`, hint: `choose a node that is ${traits.arch}` };
  if (!traits.userNamespace && process.geteuid?.() !== 0) {
    return {
      refused: 'it was started by a worker that is root, and the worker here is not',
      hint: 'choose a node whose worker is root, or run the workers as the same ordinary user',
    };
  }
  const [difference] = differences(JSON.parse(traits.needed) as NeededFile[]);
  if (difference !== undefined)
    return { refused: difference, hint: 'choose a node with the same programs and libraries' };
  try {
    const missing = await checkCpuFeatures(criu, traits.cpu);
    return missing === undefined ? undefined : { refused: missing, hint: 'choose a node with such a processor' };
  } catch (error) {
    return refusalOf(error);
  }
}
