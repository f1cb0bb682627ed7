import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { isolation } from './cluster/isolation.ts';

const getCriu = fileURLToPath(new URL('../../packages/cli/setup/get-criu.sh', import.meta.url));

/** Arguments of setpriv(1) for `nobody`, who is there on every Linux. */
export const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--'];

/** What a test may need of the machine beyond Node, a C compiler and a Redis server, and how Debian gives it. */
const tools = {
  apt: { found: () => onPath('apt-get') && onPath('dpkg'), mend: 'a Debian or Ubuntu machine' },
  bash: { found: () => onPath('bash'), mend: 'apt-get install bash' },
  'c++': { found: () => onPath('c++'), mend: 'apt-get install g++' },
  criu: { found: () => runs('sh', getCriu, '--where'), mend: 'sh packages/cli/setup/get-criu.sh' },
  git: { found: () => onPath('git'), mend: 'apt-get install git' },
  java: {
    found: () => runs('java', '-version') && runs('javac', '-version'),
    mend: 'apt-get install default-jdk-headless',
  },
  netns: {
    found: () => isolation() !== undefined,
    mend: 'iproute2, iptables, and root or user namespaces for everybody',
  },
  openssl: { found: () => hasHeader('openssl/evp.h'), mend: 'apt-get install libssl-dev' },
  parallel: { found: () => onPath('parallel'), mend: 'apt-get install parallel' },
  perl: { found: () => onPath('perl'), mend: 'apt-get install perl' },
  ps: { found: () => onPath('ps'), mend: 'apt-get install procps' },
  python3: { found: () => onPath('python3'), mend: 'apt-get install python3' },
  pty: { found: () => existsSync('/dev/pts/ptmx'), mend: 'mount -t devpts devpts /dev/pts', beyondCi: true },
  root: { found: () => process.getuid?.() === 0, mend: 'run the tests as root' },
  'another user': {
    found: () => runs('setpriv', ...asNobody, 'test', '-r', fileURLToPath(import.meta.url)),
    mend: 'root, and a clone that other users can read',
    beyondCi: true,
  },
  swipl: { found: () => onPath('swipl'), mend: 'apt-get install swi-prolog-nox' },
  tmux: { found: () => onPath('tmux'), mend: 'apt-get install tmux' },
} satisfies Record<string, { found: () => boolean; mend: string; beyondCi?: boolean }>;

export type Tool = keyof typeof tools;

declare module 'vitest' {
  interface TaskMeta {
    /** Why a test is skipped; the reporter prints it. */
    skipReason?: string;
  }
}

/** Skip reasons that begin so are no fault of CI, which cannot have these things. */
export const beyondCi = 'not in CI: ';

/** The reason to skip a test that needs these tools, or undefined where all of them are here. For `ctx.skip(reason)`. */
export function needs(...wanted: readonly Tool[]): string | undefined {
  const missing = wanted.filter((name) => !isHere(name));
  if (missing.length === 0) return undefined;
  const reasons = missing.map((name) => `needs ${name} (${tools[name].mend})`);
  return `${missing.some((name) => 'beyondCi' in tools[name]) ? beyondCi : ''}${reasons.join(', ')}`;
}

/** Options for `test` and `describe`: `test('adds up', skipUnless('java'), () => …)`. */
export function skipUnless(...wanted: readonly Tool[]): { skip: boolean; meta: { skipReason?: string } } {
  const skipReason = needs(...wanted);
  return skipReason === undefined ? { skip: false, meta: {} } : { skip: true, meta: { skipReason } };
}

const known = new Map<Tool, boolean>();

function isHere(name: Tool): boolean {
  const answer = known.get(name) ?? tools[name].found();
  known.set(name, answer);
  return answer;
}

function onPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}

function runs(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function hasHeader(name: string): boolean {
  try {
    execFileSync('cc', ['-E', '-x', 'c', '-'], { input: `#include <${name}>\n`, stdio: ['pipe', 'ignore', 'ignore'] });
    return true;
  } catch {
    return false;
  }
}
