import { readText } from '../host/read.ts';
import { machineRoots, type Roots } from '../host/roots.ts';

/** A network socket of the job that has an end elsewhere, in words. */
export interface NetworkSocket {
  readonly inode: string;
  /** `a TCP connection to 10.1.2.3:5432`. */
  readonly what: string;
}

/** Source: proc(5), `/proc/net/tcp`; states are those of the kernel's `include/net/tcp_states.h`. */
const listening = '0A';
const tables = ['tcp', 'tcp6', 'udp', 'udp6'] as const;

/**
 * Those among these inodes that cannot be made again on another node: connections, and what listens on one address of this
 * node. Unix sockets are not told by /proc; criu finds those whose other end is outside.
 */
export function boundSockets(
  pid: number,
  inodes: ReadonlySet<string>,
  roots: Roots = machineRoots,
): readonly NetworkSocket[] {
  if (inodes.size === 0) return [];
  return tables.flatMap((table) =>
    (readText(`${roots.proc}/${pid}/net/${table}`) ?? '')
      .split('\n')
      .slice(1)
      .flatMap((line) => {
        const [, local = '', remote = '', state = '', , , , , , inode = ''] = line.trim().split(/\s+/);
        if (!inodes.has(inode)) return [];
        const what = describe(table.startsWith('tcp'), local, remote, state);
        return what === undefined ? [] : [{ inode, what }];
      }),
  );
}

function describe(isTcp: boolean, local: string, remote: string, state: string): string | undefined {
  const protocol = isTcp ? 'TCP' : 'UDP';
  if (isTcp && state === listening) {
    const host = addressOf(local);
    const isEverywhere = /^(0\.0\.0\.0|127\.\d+\.\d+\.\d+|\[::1?\]):/.test(host);
    return isEverywhere ? undefined : `a TCP socket that listens on this node's address ${host}`;
  }
  return remote.endsWith(':0000') ? undefined : `a ${protocol} connection to ${addressOf(remote)}`;
}

/** `0100007F:1F90` is 127.0.0.1:8080: the address in 32-bit words of the machine's byte order, the port as it is. */
function addressOf(text: string): string {
  const [host = '', port = '0'] = text.split(':');
  const words = (host.match(/.{8}/g) ?? []).map((word) => (word.match(/../g) ?? []).toReversed());
  const bytes = words.flat().map((byte) => Number.parseInt(byte, 16));
  const suffix = `:${Number.parseInt(port, 16)}`;
  if (bytes.length === 4) return bytes.join('.') + suffix;
  if (bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255) return bytes.slice(12).join('.') + suffix;
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((bytes[2 * i] ?? 0) * 256 + (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  const short = groups.join(':').replace(/^(0:){7}(\d)$/, '::$2');
  return `[${short === '::0' ? '::' : short}]${suffix}`;
}
