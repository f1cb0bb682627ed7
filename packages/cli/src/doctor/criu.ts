import { readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';

import { formatBytes } from '@omx/core';
import { type CriuSearch, findCriu, oldestCriu, type RunProgram, runProgram } from '@omx/launch';

import { type Check, ok, warn } from './check.ts';

/** Less than a middling job has in memory. */
const scarceTmpfs = 256 * 1024 ** 2;

/** The namespaces of a job's capsule, made for one command. */
const capsule = ['-U', '-r', '-i', '-p', '--fork', '--mount-proc'];

/**
 * Whether running jobs can be moved from and to this machine; whether there is a CRIU comes first. None of it keeps jobs from
 * running where they are, so nothing here fails, but for a CRIU that was to be got (`isWanted`) and is not there.
 */
export async function checkCriu(
  env: Readonly<Record<string, string | undefined>>,
  { run = runProgram, isWanted = false }: { readonly run?: RunProgram; readonly isWanted?: boolean } = {},
): Promise<Check[]> {
  const search = await findCriu(env, run);
  const judged = judgeCriu(search, env['OMX_CRIU']);
  const version: Check = isWanted && search.found === undefined ? { ...judged, verdict: 'fail' } : judged;
  if (search.found === undefined) return [version];
  const namespaces = await checkNamespaces(run);
  return [
    version,
    namespaces,
    // Without the namespaces its answer is about them again.
    ...(namespaces.verdict === 'ok' ? [await checkKernel(search.found.file, run)] : []),
    checkTmpfs(),
  ];
}

/** @param named what OMX_CRIU says: where it is set, no other is looked for */
export function judgeCriu({ found, older }: CriuSearch, named = ''): Check {
  const name = 'criu';
  if (found !== undefined) return ok(name, `version ${found.version} at ${found.file}`);
  const [old] = older;
  const none = named === '' ? 'there is none here' : `OMX_CRIU names ${named}, which is no CRIU that runs`;
  const lack = old === undefined ? none : `${old.file} is version ${old.version}, and ${oldestCriu} is needed`;
  const mend =
    named === '' ? 'omx doctor --fix gets it' : 'unset OMX_CRIU, and omx doctor --fix gets one, or name another';
  return warn(name, `${lack}, so running jobs cannot be moved`, mend);
}

/** Settings of the kernel that keep ordinary users from making namespaces, with the value that forbids it. */
const forbidding = [
  { setting: 'user.max_user_namespaces', isForbidden: (value: number) => value === 0, mend: '65536' },
  { setting: 'kernel.unprivileged_userns_clone', isForbidden: (value: number) => value === 0, mend: '1' },
  {
    setting: 'kernel.apparmor_restrict_unprivileged_userns',
    isForbidden: (value: number) => value !== 0,
    mend: '0',
  },
] as const;

async function checkNamespaces(run: RunProgram): Promise<Check> {
  const end = await run('unshare', [...capsule, 'true']);
  return judgeNamespaces(end.exitCode === 0 ? undefined : lastLine(end.stderr), readSetting);
}

/** `problem`: why the namespaces could not be made; undefined where they could. */
export function judgeNamespaces(problem: string | undefined, read: (setting: string) => number | undefined): Check {
  const name = 'user namespaces';
  if (problem === undefined) return ok(name, 'a capsule for a movable job can be made');
  const causes = forbidding.filter(({ setting, isForbidden }) => {
    const value = read(setting);
    return value !== undefined && isForbidden(value);
  });
  const [cause] = causes;
  if (cause === undefined) {
    return warn(
      name,
      `a capsule for a movable job cannot be made: ${problem || 'unshare does not run'}`,
      'a container must allow them (docker: --security-opt seccomp=unconfined), and util-linux be there',
    );
  }
  return warn(
    name,
    `${cause.setting} keeps users from making a capsule for a movable job`,
    `as root: sysctl -w ${causes.map(({ setting, mend }) => `${setting}=${mend}`).join(' ')}`,
  );
}

function readSetting(setting: string): number | undefined {
  try {
    return Number(readFileSync(join('/proc/sys', ...setting.split('.')), 'utf8'));
  } catch {
    return undefined;
  }
}

/** CRIU's own check. It looks for its network features, too, which need a network of its own that is up. */
async function checkKernel(criu: string, run: RunProgram): Promise<Check> {
  const inside = 'ip link set lo up && exec "$0" check --unprivileged';
  return judgeKernel(await run('unshare', [...capsule, '-n', 'sh', '-c', inside, criu]));
}

export function judgeKernel(end: { readonly exitCode?: number; readonly stderr: string }): Check {
  const name = 'criu check';
  if (end.exitCode === 0) return ok(name, 'the kernel has what it takes to freeze and thaw processes');
  const errors = end.stderr.split('\n').filter((line) => line.startsWith('Error'));
  const said = (errors.at(0) ?? lastLine(end.stderr)).replace(/^Error\s*\(\S+\):\s*/, '');
  return warn(
    name,
    `not all is well, so some jobs may refuse to move: ${said || 'it does not run'}`,
    'use a kernel of 5.9 or newer with CONFIG_CHECKPOINT_RESTORE; iproute2 must be there',
  );
}

/** An image of a job that moves is kept in memory where it fits, else on disk. */
export function checkTmpfs(
  folder = '/dev/shm',
  facts: { readonly bsize: number; readonly bavail: number } | undefined = statOf(folder),
): Check {
  const name = 'tmpfs';
  const mend = `mount -o remount,size=50% ${folder}`;
  if (facts === undefined) return warn(name, `there is no ${folder}, so images of jobs go over the disk`, null);
  const free = facts.bsize * facts.bavail;
  return free < scarceTmpfs
    ? warn(name, `${formatBytes(free)} free at ${folder}: images of larger jobs go over the disk`, mend)
    : ok(name, `${formatBytes(free)} free at ${folder} for images of jobs that move`);
}

function statOf(folder: string): { readonly bsize: number; readonly bavail: number } | undefined {
  try {
    return statfsSync(folder);
  } catch {
    return undefined;
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
