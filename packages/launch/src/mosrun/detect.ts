import { OmxError } from '@omx/core';
import { findProgram, pathFolders, runProgram, type RunProgram } from '../host/program.ts';
import { isThere, readInteger } from '../host/read.ts';
import { machineRoots, type Roots } from '../host/roots.ts';
import { dialects, type Dialect } from './dialect.ts';

export interface MosrunFound {
  readonly dialect: Dialect;
  /** Root of the kernel's own tree, where the dialect has one. */
  readonly procBase?: string;
  /** Absolute path. openMosix 2.6 has no such program and needs none. */
  readonly mosrun?: string;
  readonly tools: Tools;
  /** What was seen, in the order it was looked for. */
  readonly evidence: readonly string[];
  /** Why the launcher cannot be used although something was found. */
  readonly problem?: string;
}

const toolNames = ['mosps', 'mosctl', 'mosd', 'mosbatch', 'migrate', 'mosmigrate', 'moskillall'] as const;
/** Absolute paths of the companion programs on PATH. */
export type Tools = Readonly<Partial<Record<(typeof toolNames)[number], string>>>;

export interface Surroundings {
  readonly roots?: Roots;
  /** PATH and OMX_MOSIX_DIALECT are read. @defaultValue process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly run?: RunProgram;
}

/**
 * Which kind of mosrun cluster this node belongs to, by evidence: the kernel's own files first, then programs that
 * answer. The name `mosrun` alone proves nothing; an unrelated emulator carries it too.
 */
export async function detectMosrun(surroundings: Surroundings = {}): Promise<MosrunFound> {
  const { roots = machineRoots, env = process.env, run = runProgram } = surroundings;
  const folders = pathFolders(env['PATH']);
  const tools = Object.fromEntries(
    toolNames.flatMap((name) => {
      const file = findProgram(name, folders);
      return file === undefined ? [] : [[name, file]];
    }),
  ) as Tools;
  const program = await findMosrun(folders, run);

  const forced = env['OMX_MOSIX_DIALECT'];
  const answer =
    forced === undefined || forced === '' ? await recognise(roots, tools, program.file, run) : override(forced, roots);
  return conclude(answer, program, tools);
}

interface Answer {
  readonly dialect: Dialect;
  readonly procBase?: string;
  readonly evidence: readonly string[];
  readonly problem?: string;
}

async function recognise(roots: Roots, tools: Tools, mosrun: string | undefined, run: RunProgram): Promise<Answer> {
  const hpc = `${roots.proc}/hpc`;
  const mosix = `${roots.proc}/mosix`;
  const id = readInteger(`${hpc}/admin/mospe`);
  if (id !== undefined && id > 0 && isThere(`${hpc}/nodes`)) {
    const evidence = [`${hpc}/admin/mospe reads ${id}`, `${hpc}/nodes exists`];
    return { dialect: 'openmosix-2.4', procBase: hpc, evidence };
  }
  if (id !== undefined && id <= 0) {
    const evidence = [`${hpc}/admin/mospe reads ${id}`];
    return { dialect: 'none', evidence, problem: 'openMosix is in the kernel but switched off (setpe sets it up)' };
  }
  if (isThere(`${mosix}/nodes`)) {
    return { dialect: 'openmosix-2.4', procBase: mosix, evidence: [`${mosix}/nodes exists`] };
  }
  const where = `${roots.proc}/self/om/where`;
  if (isThere(where)) return { dialect: 'openmosix-2.6', evidence: [`${where} exists`] };

  const kernelFile = ['mosip', 'version'].map((name) => `${mosix}/${name}`).find((file) => isThere(file));
  if (kernelFile !== undefined) {
    const seen = `${kernelFile} exists, ${mosix}/nodes does not`;
    return tools.mosbatch === undefined
      ? { dialect: 'mosix-2', procBase: mosix, evidence: [seen, 'mosbatch is not on PATH'] }
      : { dialect: 'mosix-3', procBase: mosix, evidence: [seen, `mosbatch is ${tools.mosbatch}`] };
  }
  if (isThere(mosix)) {
    return { dialect: 'none', evidence: [`${mosix} exists`], problem: `${mosix} has none of the files omx knows` };
  }
  if (mosrun === undefined) return { dialect: 'none', evidence: [] };
  return await recogniseUserMode(roots, tools, mosrun, run);
}

/** MOSIX 4 leaves no mark in the kernel, so its own control program has to vouch for it. */
async function recogniseUserMode(roots: Roots, tools: Tools, mosrun: string, run: RunProgram): Promise<Answer> {
  const map = `${roots.etc}/mosix/mosix.map`;
  const missing = [
    ...(['mosd', 'mosps', 'mosctl'] as const).filter((name) => tools[name] === undefined),
    ...(isThere(map) ? [] : [map]),
  ];
  const evidence = [`mosrun is ${mosrun}`];
  if (missing.length > 0 || tools.mosctl === undefined) {
    return { dialect: 'none', evidence, problem: `mosrun is there, but not what goes with it: ${missing.join(', ')}` };
  }
  evidence.push('mosd and mosps are on PATH', `${map} exists`);
  for (const verb of ['whois', 'status']) {
    const end = await run(tools.mosctl, [verb]);
    if (end.exitCode === 0 && !isRefusal(`${end.stdout}\n${end.stderr}`)) {
      return { dialect: 'mosix-4', evidence: [...evidence, `mosctl ${verb} answers`] };
    }
    evidence.push(`mosctl ${verb} does not answer`);
  }
  return { dialect: 'none', evidence, problem: 'MOSIX is installed, but not running' };
}

/** The exit codes of mosctl are documented nowhere, so its text is looked at too. */
function isRefusal(text: string): boolean {
  return text.trim() === '' || /\b(usage|error|not configured|not running|unknown|this is not)\b/i.test(text);
}

function override(word: string, roots: Roots): Answer {
  const dialect = dialects.find((name) => name === word);
  if (dialect === undefined) {
    throw new OmxError(`OMX_MOSIX_DIALECT is '${word}', which is no dialect of mosrun`, {
      code: 'USAGE',
      hint: `one of ${dialects.join(', ')}`,
    });
  }
  const evidence = [`OMX_MOSIX_DIALECT=${dialect}, set by hand`];
  const names = dialect === 'openmosix-2.4' ? ['hpc', 'mosix'] : ['mosix'];
  const procBase = names.map((name) => `${roots.proc}/${name}`).find((folder) => isThere(folder));
  const hasTree = procBase !== undefined && dialect !== 'mosix-4' && dialect !== 'openmosix-2.6';
  return { dialect, evidence, ...(hasTree ? { procBase } : {}) };
}

interface MosrunProgram {
  readonly file?: string;
  readonly rejected?: string;
}

async function findMosrun(folders: readonly string[], run: RunProgram): Promise<MosrunProgram> {
  let rejected: string | undefined;
  for (const folder of folders) {
    const file = findProgram('mosrun', [folder]);
    if (file === undefined) continue;
    const help = await run(file, ['--help']);
    const isEmulator = /MacOS|\bMPW\b/i.test(`${help.stdout}\n${help.stderr}`);
    if (!isEmulator) return rejected === undefined ? { file } : { file, rejected };
    rejected = file;
  }
  return rejected === undefined ? {} : { rejected };
}

function conclude(answer: Answer, program: MosrunProgram, tools: Tools): MosrunFound {
  const { problem: found, ...rest } = answer;
  const evidence = [...answer.evidence];
  let problem = found;
  if (program.rejected !== undefined) {
    evidence.push(`${program.rejected} is the MacOS MPW emulator, which has nothing to do with clusters`);
  }
  const needsProgram = answer.dialect !== 'none' && answer.dialect !== 'openmosix-2.6';
  if (needsProgram && program.file === undefined) {
    problem ??= `${answer.dialect} answers, but no mosrun of its own is on PATH`;
  }
  return {
    ...rest,
    evidence,
    tools,
    ...(program.file === undefined ? {} : { mosrun: program.file }),
    ...(problem === undefined ? {} : { problem }),
  };
}
