import { bytesOf, isOmxError, type LauncherChoice } from '@omx/core';
import { expect, test } from 'vitest';
import { chooseLauncher, detectLaunchers, type LauncherFacts } from '../src/detect.ts';
import type { CriuProbe } from '../src/criu/index.ts';
import type { Launcher } from '../src/launcher.ts';
import { plainLauncher } from '../src/plain.ts';
import { mosixTree, standIn, standInFolder } from './fixture.ts';

/** With the stand-in on PATH where the tree has a cluster without programs of its own. */
async function factsOf(tree: string, criu: CriuProbe = noCriu): Promise<readonly LauncherFacts[]> {
  const { roots, bin } = mosixTree(tree);
  const env = { PATH: tree.startsWith('openmosix') ? standInFolder : bin };
  return await detectLaunchers(roots, env, undefined, async () => criu);
}

const noCriu: CriuProbe = { reason: 'no CRIU 4 or newer here', hint: 'get one' };
const someCriu: CriuProbe = { criu: { file: '/opt/criu', version: '4.1.1' } };

function choose(choice: LauncherChoice, facts: readonly LauncherFacts[], isWorthCapsule = false) {
  return chooseLauncher({ choice, isWorthCapsule }, facts);
}

function refusal(choice: LauncherChoice, facts: readonly LauncherFacts[]) {
  try {
    choose(choice, facts);
  } catch (error) {
    if (isOmxError(error)) return error;
    throw error;
  }
  throw new Error('was not refused');
}

test('auto takes mosrun where a cluster answers, else plain', async () => {
  const cluster = choose('auto', await factsOf('openmosix-2.4'));
  expect(cluster.launcher.name).toBe('mosrun');
  expect(cluster.launcher.footing).toMatch(/kernel migrates it/);
  expect(cluster.why).toBe('auto; mosrun: openMosix (2.4 kernel) answers');
  const alone = choose('auto', await factsOf('mpw'));
  expect(alone.launcher).toBe(plainLauncher);
  expect(alone.why).toBe('auto; mosrun: no cluster found; criu: no CRIU 4 or newer here; plain: always there');
});

test('an explicit wish is met or refused with what was looked for', async () => {
  const none = await factsOf('mpw');
  expect(choose('plain', none).why).toBe('plain was asked for');
  const mosrun = refusal('mosrun', none);
  expect(mosrun.code).toBe('LAUNCHER_UNAVAILABLE');
  expect(mosrun.message).toMatch(/\/hpc, .*\/mosix nor .*\/self\/om, nor a MOSIX mosrun on PATH .*MPW/);
  expect(mosrun.hint).toMatch(/OMX_MOSIX_DIALECT/);
  const stopped = refusal('mosrun', await factsOf('mosix-4-stopped'));
  expect(stopped.message).toMatch(/installed, but not running/);
  const criu = refusal('criu', none);
  expect(criu).toMatchObject({
    code: 'LAUNCHER_UNAVAILABLE',
    message: 'cannot use the launcher criu: no CRIU 4 or newer here',
  });
  expect(criu.hint).toMatch(/^get one; .*plain or auto/);
  expect(refusal('mosrun', []).message).toMatch(/offers none of that name/);
});

test('facts can be shown as JSON', async () => {
  const shown: unknown = JSON.parse(JSON.stringify(await factsOf('mosix-4')));
  expect(shown).toMatchObject([
    { name: 'plain', usable: true },
    { name: 'mosrun', usable: true, verdict: 'mosrun: MOSIX 4 answers' },
    { name: 'criu', usable: false, verdict: 'criu: no CRIU 4 or newer here' },
  ]);
});

test('auto takes criu where it works and the batch wants what only it gives, but mosrun before it', async () => {
  const facts = await factsOf('none', someCriu);
  expect(facts.at(-1)).toMatchObject({ usable: true, verdict: 'criu: version 4.1.1 freezes and thaws jobs here' });
  expect(choose('auto', facts, true).launcher.name).toBe('criu');
  const plain = choose('auto', facts);
  expect(plain.launcher).toBe(plainLauncher);
  expect(plain.why).toContain('--launcher criu would make it movable');
  expect(choose('criu', facts).launcher.footing).toMatch(/omx can freeze it/);
  expect(choose('auto', await factsOf('openmosix-2.4', someCriu), true).launcher.name).toBe('mosrun');
});

function launcherOf(facts: readonly LauncherFacts[]): Launcher {
  return choose('mosrun', facts).launcher;
}

test('a plan says beforehand what keeps the job from moving', async () => {
  const launcher = launcherOf(await factsOf('openmosix-2.4'));
  const sleep = [bytesOf('sleep'), bytesOf('1')];
  expect(launcher.plan({ argv: sleep })).toEqual({
    argv: [standIn, '-l', '-c', 'sleep', '1'],
    env: [],
    cannotMove: [],
  });
  expect(launcher.plan({ argv: sleep, placement: { kind: 'home' } }).cannotMove).toEqual([
    'it was asked to stay on its home node',
  ]);
  expect(launcher.plan({ argv: sleep, placement: { kind: 'pinned', node: '7' } }).cannotMove).toEqual([
    'it was asked to stay on node 7',
  ]);
  const java = launcher.plan({ argv: [bytesOf('java'), bytesOf('Multifibo')] });
  expect(java.argv[0]).toBe(standIn);
  expect(java.cannotMove[0]).toMatch(/Java runtime/);
});

test('what MOSIX cannot run is started without mosrun, and that is said', async () => {
  const launcher = launcherOf(await factsOf('mosix-4'));
  const plan = launcher.plan({ argv: [bytesOf('java'), bytesOf('Multifibo')] });
  expect(plan.argv).toEqual(['java', 'Multifibo']);
  expect(plan.cannotMove).toHaveLength(2);
  expect(plan.cannotMove[1]).toMatch(/without mosrun/);
});

test('whereabouts of a job are those of all its processes', async () => {
  const launcher = launcherOf(await factsOf('openmosix-2.4'));
  expect(await launcher.whereabouts(100)).toEqual({ node: '2628', migrations: 3, cannotMove: [] });
  expect(await launcher.whereabouts(110)).toEqual({
    node: '2628,2648',
    migrations: 7,
    cannotMove: ['process 112: it has locked memory (mlock)'],
  });
  expect(await launcher.whereabouts(999)).toEqual({ cannotMove: [] });
});

test('whereabouts under MOSIX 4 come from mosps, for the child that does the work too', async () => {
  const launcher = launcherOf(await factsOf('mosix-4'));
  expect(await launcher.whereabouts(100)).toEqual({ node: '3', migrations: 4, cannotMove: [] });
  expect(await launcher.whereabouts(102)).toEqual({ migrations: 0, cannotMove: [] });
  expect(await launcher.whereabouts(103)).toEqual({ cannotMove: [] });
  expect(await plainLauncher.whereabouts(100)).toEqual({ cannotMove: [] });
});

test('plain starts the program itself', () => {
  const argv = [bytesOf('-odd'), bytesOf('x')];
  expect(plainLauncher.plan({ argv })).toEqual({ argv, env: [], cannotMove: [] });
  expect(plainLauncher.footing).toMatch(/^plain: nobody migrates it/);
});
