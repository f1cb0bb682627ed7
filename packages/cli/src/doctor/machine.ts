import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  detectLaunchers,
  type LauncherFacts,
  type OwnAddresses,
  ownAddressProblem,
  ownNode,
  readMap,
  readOpenFileLimit,
  Shepherd,
  shepherdBinary,
} from '@omx/launch';

import { type Check, failedBy, fail, ok, warn } from './check.ts';

const oldestNode = [20, 19] as const;
const fewFiles = 1024;

export function checkNodeVersion(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isNewEnough = major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
  return isNewEnough
    ? ok('node.js', `version ${version}`)
    : fail(
        'node.js',
        `version ${version} is older than ${oldestNode.join('.')}`,
        `install Node.js ${oldestNode.join('.')} or newer`,
      );
}

/** Starts the shepherd in a folder of its own and ends it: it may be there and not run on this machine. */
export async function checkShepherd(): Promise<Check> {
  const name = 'shepherd';
  const stateDir = mkdtempSync(join(tmpdir(), 'omx-doctor-'));
  try {
    const binary = shepherdBinary();
    const shepherd = await Shepherd.open({ stateDir, binary });
    await shepherd.quit({ force: true });
    return ok(name, `${binary} starts`);
  } catch (error) {
    return failedBy(name, error);
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}

/** Each client and each job's output takes a file of the worker, the shepherd or the server. */
export function checkFileLimit(
  limit: { readonly soft: number; readonly hard: number } | undefined = readOpenFileLimit(),
): Check {
  const name = 'open files';
  if (limit === undefined) return warn(name, 'the limit cannot be read', null);
  const most = limit.hard === Infinity ? 'unlimited' : limit.hard;
  return judgeFileLimit(name, limit.soft, `${limit.soft} at once (at most ${most})`);
}

export function judgeFileLimit(name: string, limit: number, text: string): Check {
  return limit < fewFiles
    ? warn(name, `${text}: few for many jobs at once`, 'ulimit -n 4096 before its worker starts')
    : ok(name, text);
}

/** The map of an openMosix or MOSIX cluster, where this machine has one. */
export function checkMap(path: string | undefined, own: OwnAddresses): Check[] {
  if (path === undefined) return [];
  const name = 'own map';
  try {
    const { map } = readMap(path);
    if (map.problems.length > 0)
      return map.problems.map((problem) => fail(name, problem, 'mend the line, and copy the map to all nodes'));
    const problem = ownAddressProblem(map, own.byName);
    if (problem !== undefined) return [fail(name, `${path}: ${problem}`, 'see to it in /etc/hosts or in the map')];
    return [ok(name, `${path}: ${map.entries.length} entries, this machine is node ${ownNode(map, own.byName)?.id}`)];
  } catch (error) {
    return [failedBy(name, error)];
  }
}

/**
 * What jobs can be started with here. A launcher that is not there is no fault: `auto` takes another.
 * @param hasCriu there is a CRIU, so it should work
 */
export async function checkLaunchers(hasCriu: boolean): Promise<Check[]> {
  try {
    return (await detectLaunchers()).map((facts) => judgeLauncher(facts, hasCriu));
  } catch (error) {
    return [failedBy('launchers', error)];
  }
}

export function judgeLauncher(facts: LauncherFacts, hasCriu: boolean): Check {
  const name = `launcher ${facts.name}`;
  const seen = facts.evidence.length === 0 ? '' : ` (seen: ${facts.evidence.join('; ')})`;
  if (facts.usable) return ok(name, `${facts.verdict.replace(`${facts.name}: `, '')}${seen}`);
  const reason = `not to be used here: ${facts.reason ?? facts.verdict}${seen}`;
  return facts.name === 'criu' && hasCriu ? warn(name, reason, facts.hint ?? null) : ok(name, reason);
}
