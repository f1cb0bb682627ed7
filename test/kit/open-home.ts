import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { execa, type Result } from 'execa';

import { processesOf, socketsOf } from './left-behind.ts';
import { until } from './until.ts';

const bin = fileURLToPath(new URL('../../packages/cli/dist/bin.js', import.meta.url));
/** The repository's root, where the examples are. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface OmxOptions {
  readonly input?: string | Uint8Array;
  /** On top of the test's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** @defaultValue the home's `work` folder, empty at first */
  readonly cwd?: string;
  /** Another way to start it, as `['setsid', 'nice']`. */
  readonly through?: readonly string[];
  /** @defaultValue 60 s */
  readonly timeoutMs?: number;
}

export interface OmxResult {
  /** As a shell says it: 128 + n after signal n. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as bytes. */
  readonly bytes: Buffer;
  /** The lines of stdout. */
  lines(): string[];
  /** stdout as the one JSON value it must be. */
  json<T = any>(): T;
  /** stdout as one JSON value a line. */
  jsonLines<T = any>(): T[];
}

/** A command that goes on, such as `omx tail -f`. */
export interface RunningOmx {
  readonly pid: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly kill: (signal?: NodeJS.Signals) => void;
  readonly ended: Promise<OmxResult>;
}

/** A queue of its own: an `OMX_HOME` that nobody else has, with everything that was started for it. */
export interface TestHome {
  readonly dir: string;
  /** An empty folder inside, where commands are run. */
  readonly work: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs the built command line to its end. Never throws for what the command does. */
  readonly omx: (args: readonly string[], options?: OmxOptions) => Promise<OmxResult>;
  readonly omxSpawn: (args: readonly string[], options?: OmxOptions) => RunningOmx;
}

/** A home until `close`, for whoever has no test around it. */
export interface OpenHome extends TestHome {
  /** Stops what was started for it. @throws Error when a process or a socket is left */
  readonly close: () => Promise<void>;
}

export function openHome(): OpenHome {
  // Short and in /tmp, whatever TMPDIR says: a unix socket's path has 107 bytes.
  const dir = mkdtempSync('/tmp/omx-');
  const work = `${dir}/work`;
  mkdirSync(work);
  const env = { ...cleanEnvironment(), OMX_HOME: dir, OMX_CONFIG: `${dir}/config.toml` };
  const running = new Set<RunningOmx>();

  const omxSpawn: TestHome['omxSpawn'] = (args, { input, env: more, cwd = work, through = [], timeoutMs } = {}) => {
    const [program = '', ...words] = [...through, process.execPath, bin, ...args];
    const child = execa(program, words, {
      cwd,
      env: { ...env, ...more },
      extendEnv: false,
      encoding: 'buffer',
      reject: false,
      stripFinalNewline: false,
      ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
      ...(timeoutMs === undefined ? {} : { timeout: timeoutMs, killSignal: 'SIGKILL' as const }),
    });
    const heard = { stdout: '', stderr: '' };
    child.stdout.on('data', (data: Buffer) => (heard.stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (heard.stderr += data.toString()));
    const started: RunningOmx = {
      pid: child.pid ?? -1,
      stdout: () => heard.stdout,
      stderr: () => heard.stderr,
      kill: (signal = 'SIGTERM') => void child.kill(signal),
      ended: child.then((result) => {
        running.delete(started);
        if (result.timedOut)
          throw new Error(`omx ${args.join(' ')} did not end in ${timeoutMs} ms\n${heard.stdout}${heard.stderr}`);
        return resultOf(codeOf(result), Buffer.from(result.stdout), Buffer.from(result.stderr));
      }),
    };
    running.add(started);
    return started;
  };
  const omx: TestHome['omx'] = (args, options) => omxSpawn(args, { timeoutMs: 60_000, ...options }).ended;

  const close = async (): Promise<void> => {
    for (const each of running) each.kill('SIGKILL');
    await Promise.allSettled([...running].map((each) => each.ended));
    const down = await omx(['down']).catch((error: unknown) => error);
    // A process that is ending takes the kernel a moment.
    const left = await until(() => processesOf(dir), {
      timeoutMs: 2000,
      is: (processes) => processes.length === 0,
    }).catch(() => processesOf(dir));
    const sockets = socketsOf(dir);
    for (const { pid } of left) killQuietly(pid);
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    if (left.length === 0 && sockets.length === 0 && succeeded(down)) return;
    const lines = [
      ...left.map(({ pid, line }) => `process ${pid}: ${line}`),
      ...sockets.map((path) => `socket ${path}`),
    ];
    throw new Error(`after omx down (${describe(down)}) there is left:\n  ${lines.join('\n  ') || 'nothing'}`);
  };
  return { dir, work, env, omx, omxSpawn, close };
}

/** The tester's environment without what would steer omx or tell it that it is being tested; a criu of his own is used. */
function cleanEnvironment(): Record<string, string> {
  const steering =
    /^(OMX_(?!CRIU$)|VITEST|NODE_ENV$|NODE_OPTIONS$|FORCE_COLOR$|NO_COLOR$|COLUMNS$|TEST$|DEV$|PROD$|MODE$|npm_)/;
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !steering.test(entry[0]),
    ),
  );
}

function codeOf(result: Pick<Result, 'exitCode' | 'signal' | 'message'>): number {
  if (result.exitCode !== undefined) return result.exitCode;
  if (result.signal === undefined) throw new Error(`omx could not be started: ${result.message}`);
  return 128 + constants.signals[result.signal];
}

function resultOf(code: number, bytes: Buffer, errors: Buffer): OmxResult {
  const stdout = bytes.toString();
  const lines = (): string[] =>
    stdout === '' ? [] : stdout.split('\n').slice(0, stdout.endsWith('\n') ? -1 : undefined);
  return {
    code,
    stdout,
    stderr: errors.toString(),
    bytes,
    lines,
    json: () => JSON.parse(stdout),
    jsonLines: () => lines().map((line) => JSON.parse(line)),
  };
}

function succeeded(down: unknown): boolean {
  return typeof down === 'object' && down !== null && 'code' in down && down.code === 0;
}

function describe(down: unknown): string {
  if (down instanceof Error) return down.message;
  const { code, stderr } = down as OmxResult;
  return `exit ${code}${stderr === '' ? '' : `, ${stderr.trim()}`}`;
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone by itself.
  }
}
