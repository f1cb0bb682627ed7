import { execFileSync } from 'node:child_process';

import { ownMounts } from '../own-mounts.ts';

/** How machines of our own can be made here. */
export interface Isolation {
  /** Words before a command that makes the first namespaces. */
  readonly make: readonly string[];
  /** Flags of nsenter(1) that namespaces so made need on top of the others. */
  readonly enter: readonly string[];
}

const ways: readonly Isolation[] = [
  { make: ['unshare', ...ownMounts], enter: [] },
  // Without root: root over what is inside, and nobody outside.
  { make: ['unshare', ...ownMounts, '--user', '--map-root-user'], enter: ['--user', '--preserve-credentials'] },
];

/** Before commands for a shell: administrators' tools are not on everybody's PATH. */
export const toolsPath = 'PATH=$PATH:/usr/sbin:/sbin; ';

const needed = ['ip', 'tc', 'iptables', 'hostname', 'nsenter'];

// All that a cluster is made of, in namespaces that vanish with the command.
const attempt = `${toolsPath} ${needed.map((tool) => `command -v ${tool}`).join(' && ')} &&
  ip link add name br0 type bridge && ip link add name port1 type veth peer name eth0 && hostname probe &&
  unshare ${ownMounts.join(' ')} --net --mount --uts --pid --fork --mount-proc true`;

let known: Isolation | undefined | null = null;

/** The first way that works, with real namespaces made and gone again; undefined where none does. */
export function isolation(): Isolation | undefined {
  if (known === null) known = ways.find(works);
  return known;
}

function works({ make }: Isolation): boolean {
  try {
    const [program = '', ...flags] = make;
    execFileSync(program, [...flags, '--net', '--mount', '--uts', 'sh', '-c', attempt], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
