import { mkdirSync } from 'node:fs';

import { shepherdPid, workerPid } from '../batches.ts';
import type { OmxOptions, OmxResult, OpenHome, RunningOmx } from '../open-home.ts';
import { until } from '../until.ts';
import type { Machine } from './machine.ts';
import { run } from './run.ts';

/** A machine of the cluster with its own state folder, where a worker can be started. */
export interface ClusterNode extends Pick<Machine, 'name' | 'cut' | 'join' | 'slow' | 'lossy'> {
  /** The worker's process, by its number outside. @throws Error while there is none */
  readonly workerPid: () => number;
  readonly shepherdPid: () => number;
  /** Starts the worker and waits until it takes jobs. */
  readonly start: (args?: readonly string[]) => Promise<RunningOmx>;
  /** SIGTERM to the worker; waits for its end. */
  readonly stop: () => Promise<void>;
  /** A signal to the worker, and to nobody else. */
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Pulls the plug: all processes of the machine are gone, and it stays off. */
  readonly crash: () => Promise<void>;
  readonly omx: (args: readonly string[], options?: OmxOptions) => Promise<OmxResult>;
  /** Starts a program that omx knows nothing of, in the background. @returns what ends it */
  readonly outsider: (argv: readonly string[]) => () => Promise<void>;
}

export interface OpenNode extends ClusterNode {
  readonly close: () => Promise<void>;
}

export function nodeOn(machine: Machine, home: OpenHome, url: string): OpenNode {
  const { name } = machine;
  const dir = `${home.dir}/${name}`;
  mkdirSync(dir);
  let worker: RunningOmx | undefined;
  const there = ({ cwd = home.work, env = {}, ...options }: OmxOptions = {}): OmxOptions => ({
    ...options,
    env: { OMX_HOME: dir, OMX_REDIS_URL: url, ...env },
    through: [...machine.through, cwd],
  });
  const outside = (pid: number | undefined): number => {
    const found = pid === undefined ? undefined : machine.outside(pid);
    if (found === undefined) throw new Error(`there is no such process on ${name}`);
    return found;
  };
  const workerOutside = (): number => outside(workerPid({ dir }, name));
  const kill = (signal: NodeJS.Signals): void => {
    process.kill(workerOutside(), signal);
    // Whoever brought it in stops with it and goes on with it.
    if (signal === 'SIGCONT') worker?.kill('SIGCONT');
  };
  const close = async (): Promise<void> => {
    // A machine is gone when all its processes are, and nobody buries the worker while he who brought it in is stopped.
    worker?.kill('SIGCONT');
    await machine.close();
  };
  return {
    name,
    cut: machine.cut,
    join: machine.join,
    slow: machine.slow,
    lossy: machine.lossy,
    workerPid: workerOutside,
    shepherdPid: () => outside(shepherdPid({ dir }, name)),
    start: async (args = []) => {
      const started = home.omxSpawn(['worker', '--name', name, ...args], there());
      worker = started;
      let ended = false;
      void started.ended.then(() => (ended = true));
      await until(() => started.stdout().includes('node is up'), {
        timeoutMs: 60_000,
        failIf: () => ended && `the worker of ${name} ended: ${started.stdout()}${started.stderr()}`,
      });
      return started;
    },
    stop: async () => {
      kill('SIGTERM');
      await worker?.ended;
    },
    kill,
    crash: close,
    close,
    omx: (args, options) => home.omx(args, there(options)),
    outsider: (argv) => {
      // What is started here only brings it in: the program must not outlive that.
      const words = [...machine.through, home.work, 'setpriv', '--pdeathsig', 'KILL', ...argv];
      const child = run(words, { reject: false, stdio: 'ignore' });
      return async () => {
        child.kill('SIGKILL');
        await child;
      };
    },
  };
}
