import { OmxError, type LauncherChoice, type LauncherName } from '@omx/core';
import { criuFacts } from './criu/facts.ts';
import { probeCriu, type CriuProbe } from './criu/probe.ts';
import type { Roots } from './host/roots.ts';
import type { RunProgram } from './host/program.ts';
import type { Launcher } from './launcher.ts';
import { detectMosrun, type MosrunFound, type Surroundings } from './mosrun/detect.ts';
import { dialectTitles } from './mosrun/dialect.ts';
import { mosrunLauncher } from './mosrun/launcher.ts';
import { plainLauncher } from './plain.ts';

/** What was found out about one launcher on this node. Plain data but for `create`, so it can be shown as JSON. */
export interface LauncherFacts {
  readonly name: LauncherName;
  readonly usable: boolean;
  /** One line: `openMosix (2.4 kernel) answers`, `criu: version 4.1.1 freezes and thaws jobs here`. */
  readonly verdict: string;
  readonly evidence: readonly string[];
  /** Why it cannot be used. */
  readonly reason?: string;
  readonly hint?: string;
  /** Present where it is usable. */
  readonly create?: () => Launcher;
}

/**
 * Looks at the node once, for every launcher. Throws only for a bad OMX_MOSIX_DIALECT.
 * @param probe how to find out about criu. @defaultValue by freezing and thawing a process
 */
export async function detectLaunchers(
  roots?: Roots,
  env?: Surroundings['env'],
  run?: RunProgram,
  probe: (env?: Surroundings['env']) => Promise<CriuProbe> = probeCriu,
): Promise<readonly LauncherFacts[]> {
  const surroundings: Surroundings = {
    ...(roots === undefined ? {} : { roots }),
    ...(env === undefined ? {} : { env }),
    ...(run === undefined ? {} : { run }),
  };
  return [plainFacts, mosrunFacts(await detectMosrun(surroundings), surroundings), criuFacts(await probe(env))];
}

const plainFacts: LauncherFacts = {
  name: 'plain',
  usable: true,
  verdict: 'plain: always there',
  evidence: [],
  create: () => plainLauncher,
};

function mosrunFacts(found: MosrunFound, { roots, run }: Surroundings): LauncherFacts {
  const { evidence, problem, dialect } = found;
  if (dialect !== 'none' && problem === undefined) {
    return {
      name: 'mosrun',
      usable: true,
      verdict: `mosrun: ${dialectTitles[dialect]} answers`,
      evidence,
      create: () =>
        mosrunLauncher({ found, ...(roots === undefined ? {} : { roots }), ...(run === undefined ? {} : { run }) }),
    };
  }
  const proc = roots?.proc ?? '/proc';
  const reason =
    problem ?? `no cluster answers: neither ${proc}/hpc, ${proc}/mosix nor ${proc}/self/om, nor a MOSIX mosrun on PATH`;
  return {
    name: 'mosrun',
    usable: false,
    verdict: `mosrun: ${problem ?? 'no cluster found'}`,
    evidence,
    reason,
    hint: 'use --launcher plain; omx doctor shows what was looked at; OMX_MOSIX_DIALECT overrides it',
  };
}

/** What `auto` takes, best first. */
const preference: readonly LauncherName[] = ['mosrun', 'criu', 'plain'];

/** What a batch asks of the launcher. */
export interface LauncherWish {
  readonly choice: LauncherChoice;
  /** It asks for something that only jobs in a capsule have, so that their dearer start is worth it. */
  readonly isWorthCapsule: boolean;
}

/** The launcher for a batch's wish on this node, and why it is that one, for `omx why`. */
export function chooseLauncher(
  { choice, isWorthCapsule }: LauncherWish,
  facts: readonly LauncherFacts[],
): { readonly launcher: Launcher; readonly why: string } {
  const factOf = (name: LauncherName): LauncherFacts | undefined => facts.find((each) => each.name === name);
  const usable = (name: LauncherName): Launcher | undefined => {
    const fact = factOf(name);
    return fact?.usable === true ? fact.create?.() : undefined;
  };
  if (choice !== 'auto') {
    const launcher = usable(choice);
    if (launcher !== undefined) return { launcher, why: `${choice} was asked for` };
    throw unavailable(choice, factOf(choice));
  }
  const passedOver: string[] = [];
  for (const name of preference) {
    const launcher = usable(name);
    const fact = factOf(name);
    if (name === 'criu' && launcher !== undefined && !isWorthCapsule) {
      passedOver.push('criu: not asked for; --launcher criu would make it movable');
    } else if (launcher !== undefined) return { launcher, why: ['auto', ...passedOver, fact?.verdict].join('; ') };
    else if (fact !== undefined) passedOver.push(fact.verdict);
  }
  throw unavailable('plain', undefined);
}

function unavailable(name: LauncherName, fact: LauncherFacts | undefined): OmxError {
  const looked = fact === undefined || fact.evidence.length === 0 ? '' : ` (seen: ${fact.evidence.join('; ')})`;
  return new OmxError(
    `cannot use the launcher ${name}: ${fact?.reason ?? 'this node offers none of that name'}${looked}`,
    {
      code: 'LAUNCHER_UNAVAILABLE',
      hint: fact?.hint ?? 'omx doctor shows what this node offers',
    },
  );
}
