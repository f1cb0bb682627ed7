import { isIP } from 'node:net';

/** A run of nodes with consecutive numbers and consecutive addresses. */
export interface MapEntry {
  /** Where it stands: `file:line`. */
  readonly at: string;
  readonly firstId: number;
  /** IPv4 address or host name of the first node. */
  readonly host: string;
  /** 0: a further address of a node that has an entry already. */
  readonly count: number;
  /** MOSIX: p (near, no compression), o (outsider). */
  readonly flags: string;
}

export interface ClusterMap {
  readonly entries: readonly MapEntry[];
  /** What is wrong, each as `file:line: …`. A map with problems is used by nobody. */
  readonly problems: readonly string[];
}

const maxLines = 256;
const maxId = 65_535;

/** Source: openMosix setpe(1). Lines `first-id address count`, or `id address ALIAS`. */
export function parseOpenMosixMap(text: string, file: string): ClusterMap {
  return parseMap(text, file, { comment: /^\s*#/, read: openMosixLine });
}

/** Source: gossimon `MosixMapBuilder.c`. Lines `address count [flags]`; numbers follow from the order. */
export function parseMosixMap(text: string, file: string): ClusterMap {
  return parseMap(text, file, { comment: /^#/, read: mosixLine });
}

interface Line {
  readonly words: readonly string[];
  readonly at: string;
  readonly nextId: number;
}

interface Grammar {
  readonly comment: RegExp;
  /** An entry, nothing, or what is wrong. */
  readonly read: (line: Line) => MapEntry | undefined | string;
}

function parseMap(text: string, file: string, grammar: Grammar): ClusterMap {
  const entries: MapEntry[] = [];
  const problems: string[] = [];
  let lines = 0;
  let nextId = 1;
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || grammar.comment.test(line)) continue;
    const at = `${file}:${index + 1}`;
    lines += 1;
    if (lines === maxLines + 1) problems.push(`${at}: more than ${maxLines} entries`);
    const entry = grammar.read({ words: line.trim().split(/\s+/), at, nextId });
    if (entry === undefined) continue;
    const problem = typeof entry === 'string' ? entry : (entryProblem(entry) ?? overlap(entry, entries));
    if (problem !== undefined) problems.push(`${at}: ${problem}`);
    if (typeof entry === 'string') continue;
    entries.push(entry);
    nextId = entry.firstId + entry.count;
  }
  for (const entry of entries) {
    const isKnown = entries.some((other) => other.count > 0 && contains(other, entry.firstId));
    if (entry.count === 0 && !isKnown) problems.push(`${entry.at}: node ${entry.firstId} has no entry of its own`);
  }
  if (lines === 0) problems.push(`${file}:1: the map is empty`);
  return { entries, problems };
}

function openMosixLine({ words, at }: Line): MapEntry | string {
  const [id = '', host, count = ''] = words;
  if (host === undefined || words.length !== 3) return 'expected three words: number, address, count';
  if (!/^\d+$/.test(id)) return `'${id}' is no node number`;
  if (!/^(\d+|ALIAS)$/.test(count)) return `'${count}' is neither a count nor ALIAS`;
  return { at, firstId: Number(id), host, count: count === 'ALIAS' ? 0 : Number(count), flags: '' };
}

function mosixLine({ words, at, nextId }: Line): MapEntry | undefined | string {
  const [host = '', count, flags = '', ...more] = words;
  // `address=address` names a further address of a node; it takes no number.
  if (count === undefined && /^[^=]+=[^=]+$/.test(host)) return undefined;
  if (count === undefined) return `${host} has no count`;
  if (!/^\d+$/.test(count) || Number(count) < 1) return `'${count}' is no count`;
  if (more.length > 0 || !/^[po]{0,2}$/.test(flags)) return `'${[flags, ...more].join(' ')}' is not made of p and o`;
  return { at, firstId: nextId, host, count: Number(count), flags };
}

function entryProblem({ firstId, host, count }: MapEntry): string | undefined {
  if (firstId < 1 || firstId + Math.max(count, 1) - 1 > maxId) return `node numbers run from 1 to ${maxId}`;
  const octets = addressOf(host);
  if (octets === undefined) {
    if (/^[\d.]+$/.test(host)) return `'${host}' is no address`;
    return count > 1 ? `a run of ${count} nodes needs an address, not the name '${host}'` : undefined;
  }
  const last = (octets[3] ?? 0) + count - 1;
  return count > 1 && last > 255 ? `${count} addresses from ${host} on run past .255` : undefined;
}

function overlap(entry: MapEntry, others: readonly MapEntry[]): string | undefined {
  for (const other of others) {
    if (entry.count > 0 && other.count > 0) {
      const first = Math.max(entry.firstId, other.firstId);
      const last = Math.min(entry.firstId + entry.count, other.firstId + other.count) - 1;
      if (first <= last) return `node ${first} is taken already by ${other.at}`;
    }
    const shared = addressesOf(entry).find((address) => addressesOf(other).includes(address));
    if (shared !== undefined) return `${shared} is taken already by ${other.at}`;
  }
  return undefined;
}

function contains(entry: MapEntry, id: number): boolean {
  return id >= entry.firstId && id < entry.firstId + entry.count;
}

function addressOf(host: string): readonly number[] | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(host)) return undefined;
  const octets = host.split('.').map(Number);
  return octets.every((octet) => octet <= 255) ? octets : undefined;
}

/** Every address the entry stands for; a host name stands for itself. */
export function addressesOf({ host, count }: Pick<MapEntry, 'host' | 'count'>): readonly string[] {
  const octets = addressOf(host);
  if (octets === undefined || count <= 1) return [host];
  const [a, b, c, d = 0] = octets;
  return Array.from({ length: Math.min(count, 256 - d) }, (_, index) => `${a}.${b}.${c}.${d + index}`);
}

/** A node of the map that this machine is: its number, and the host name the map has for it, if any. */
export function ownNode(
  map: ClusterMap,
  own: readonly string[],
): { readonly id: number; readonly host?: string } | undefined {
  for (const { firstId, host, count } of map.entries) {
    const at = addressesOf({ host, count }).findIndex((address) => own.includes(address));
    if (at !== -1) return { id: firstId + at, ...(addressOf(host) === undefined ? { host } : {}) };
  }
  return undefined;
}

/**
 * What is wrong with this machine's own place in the map; undefined: nothing. A node of openMosix finds its address
 * through its host name, which many distributions bind to 127.0.0.1: then it never finds itself.
 * @param own - the addresses and names of this machine as its host name resolves to them
 */
export function ownAddressProblem(map: ClusterMap, own: readonly string[]): string | undefined {
  const addresses = own.filter((each) => isIP(each) !== 0);
  if (addresses.length === 0) return "this machine's host name has no address";
  if (addresses.every((address) => isLoopback(address)))
    return `this machine's host name stands for ${addresses.join(', ')}, which no map can hold: give it its real address in /etc/hosts`;
  if (ownNode(map, own) !== undefined) return undefined;
  return `none of this machine's addresses (${addresses.join(', ')}) is in the map`;
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
