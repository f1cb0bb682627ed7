import { readdirSync, readFileSync } from 'node:fs';

/** A process of a job that is there now, on whatever machine of the cluster. */
export interface Living {
  /** As `b7.3#1`. */
  readonly attempt: string;
  readonly node: string;
  /** Its number outside of the machine. */
  readonly pid: number;
  /** Its arguments, the program first. */
  readonly args: readonly string[];
  /** It is there but does not compute: stopped by a signal. */
  readonly stopped: boolean;
}

/** All processes of jobs of these batches, found by their environment as the kernel keeps it (proc(5)). */
export function living(shared: string, ...batches: readonly string[]): Living[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const facts = read(name);
      if (facts === undefined || facts.state === 'Z') return [];
      const { env, args, state } = facts;
      // Other test runs have batches of the same names.
      if (!batches.includes(env.get('OMX_BATCH') ?? '') || env.get('TRACES') !== shared) return [];
      const attempt = `${env.get('OMX_BATCH')}.${env.get('OMX_JOB')}#${env.get('OMX_ATTEMPT')}`;
      return [{ attempt, node: env.get('OMX_NODE') ?? '', pid: Number(name), args, stopped: state === 'T' }];
    });
}

function read(
  pid: string,
): { readonly env: Map<string, string>; readonly args: readonly string[]; readonly state: string } | undefined {
  try {
    const words = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    const env = new Map(words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
    if (!env.has('OMX_BATCH')) return undefined;
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    // Last, as one that has ended by now is a zombie then.
    return { env, args, state: /\) (.) /.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1] ?? 'Z' };
  } catch {
    return undefined;
  }
}
