import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

import { ownMounts } from '../own-mounts.ts';
import { until } from '../until.ts';
import { type Isolation, toolsPath } from './isolation.ts';
import { makeQuota, type Quota } from './quota.ts';
import { run } from './run.ts';

/** Namespaces that live as long as a pipe of ours is open: whatever ends us ends them, and all processes inside. */
interface Held {
  /** The process that holds them, by its number outside. */
  readonly pid: number;
  readonly end: () => Promise<void>;
}

/** The network between the machines: a bridge in a namespace of its own, so that nothing of it can be seen outside. */
export interface Switch {
  /** Words that run a command there. */
  readonly through: readonly string[];
  readonly isolation: Isolation;
  readonly close: () => Promise<void>;
}

/** A machine as far as a program can tell: own address, host name, process numbers and, if asked for, CPU quota. */
export interface Machine {
  readonly name: string;
  readonly address: string;
  /** Words that run a command there; the first argument after them is the folder to run it in. */
  readonly through: readonly string[];
  /** Unplugs it: nothing comes in or goes out, and nobody is told. */
  readonly cut: () => Promise<void>;
  readonly join: () => Promise<void>;
  /** A link of so many kbit/s both ways. */
  readonly slow: (kbit: number) => Promise<void>;
  /** A link that loses such a part of the packets that come in. */
  readonly lossy: (part: number) => Promise<void>;
  /** What a process there is called outside, by its number there. */
  readonly outside: (pid: number) => number | undefined;
  /** Pulls the plug: every process there is gone. */
  readonly close: () => Promise<void>;
}

export async function openSwitch(isolation: Isolation): Promise<Switch> {
  const held = await hold(
    [...isolation.make, '--net', '--mount'],
    'ip link set lo up && ip link add name br0 type bridge && ip link set br0 up',
  );
  return {
    through: ['nsenter', '-t', String(held.pid), ...isolation.enter, '--net', '--mount'],
    isolation,
    close: held.end,
  };
}

export interface Limits {
  /** CPUs' worth of time. */
  readonly cpus?: number | undefined;
  /** The number of the only processor it has. */
  readonly processor?: number | undefined;
}

export async function openMachine(
  net: Switch,
  { name, number, cpus, processor }: { readonly name: string; readonly number: number } & Limits,
): Promise<Machine> {
  const held = await hold(
    [
      ...net.through,
      'unshare',
      ...ownMounts,
      '--net',
      '--mount',
      '--uts',
      '--ipc',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
    ],
    `hostname ${name} && ip link set lo up && mount -t tmpfs run /run`,
  );
  const port = `port${number}`;
  const address = `10.77.0.${number}`;
  const inside = [
    'nsenter',
    '-t',
    String(held.pid),
    ...net.isolation.enter,
    '--net',
    '--mount',
    '--uts',
    '--ipc',
    '--pid',
  ];
  await script(
    net.through,
    `ip link add name ${port} type veth peer name eth0 netns ${held.pid}
    ip link set ${port} master br0 up`,
  );
  await script(inside, `ip addr add ${address}/24 dev eth0 && ip link set eth0 up`);
  const quota = cpus === undefined ? undefined : makeQuota(cpus);
  const tokenBucket = (kbit: number): string => `root tbf rate ${kbit}kbit burst 4kb latency 2000ms`;
  return {
    name,
    address,
    // To enter a mount namespace is to leave the working folder, hence the shell.
    through: [...admission(quota), ...pinned(processor), ...inside, 'sh', '-c', 'cd "$0" && exec "$@"'],
    cut: async () => script(net.through, `ip link set ${port} nomaster`),
    join: async () => script(net.through, `ip link set ${port} master br0`),
    slow: async (kbit) => {
      await script(net.through, `tc qdisc replace dev ${port} ${tokenBucket(kbit)}`);
      await script(inside, `tc qdisc replace dev eth0 ${tokenBucket(kbit)}`);
    },
    lossy: async (part) =>
      script(inside, `iptables -A INPUT -i eth0 -m statistic --mode random --probability ${part} -j DROP`),
    outside: (pid) => outsidePid(held.pid, pid),
    close: async () => {
      await held.end();
      await quota?.remove();
    },
  };
}

/** The same process goes on as the command, so that its number is the command's. */
function admission(quota: Quota | undefined): string[] {
  return quota === undefined ? [] : ['sh', '-c', 'echo $$ >"$0" && exec "$@"', quota.procs];
}

/** taskset(1): children inherit it. */
function pinned(processor: number | undefined): string[] {
  return processor === undefined ? [] : ['taskset', '--cpu-list', String(processor)];
}

/** Runs `setUp` in new namespaces and keeps them. The shell reaps what is left to it, as a machine's first process must. */
async function hold(words: readonly string[], setUp: string): Promise<Held> {
  const child = run([...words, 'sh', '-c', `${toolsPath} ${setUp} && echo ready && cat >/dev/null; exit 0`], {
    stdin: 'pipe',
    reject: false,
    buffer: false,
    cwd: '/',
  });
  const heard = { out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => (heard.out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (heard.err += data.toString()));
  let ended = false;
  void child.then(() => (ended = true));
  await until(() => heard.out === 'ready\n', { failIf: () => ended && `${words.join(' ')}: ${heard.err}` });
  const pid = child.pid ?? -1;
  return {
    // With a process namespace it is the child that is inside.
    pid: words.includes('--fork') ? await until(() => childrenOf(pid)[0]) : pid,
    end: async () => {
      child.stdin.end();
      await child;
    },
  };
}

async function script(through: readonly string[], text: string): Promise<void> {
  await run([...through, 'sh', '-e', '-c', toolsPath + text], { timeout: 20_000, cwd: '/' });
}

/** Source: proc(5), `/proc/pid/task/tid/children`. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

/** Source: proc(5), `NSpid` in `/proc/pid/status`. */
function outsidePid(holder: number, pid: number): number | undefined {
  const space = readlinkSync(`/proc/${holder}/ns/pid`);
  const found = readdirSync('/proc').find((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      if (readlinkSync(`/proc/${name}/ns/pid`) !== space) return false;
      const numbers = /^NSpid:\s*(.*)$/m.exec(readFileSync(`/proc/${name}/status`, 'latin1'))?.[1]?.split(/\s+/);
      return Number(numbers?.at(-1)) === pid;
    } catch {
      return false;
    }
  });
  return found === undefined ? undefined : Number(found);
}
