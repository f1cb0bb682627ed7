import { createHash } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { existsSync, readFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';

import { errorOf, type NodeMap, OmxError } from '@omx/core';

import { machineRoots, type Roots } from '../host/roots.ts';
import { type ClusterMap, parseMosixMap, parseOpenMosixMap } from './map.ts';

/** A map as it was read. */
export interface MapFile extends NodeMap {
  readonly map: ClusterMap;
}

/** The map of this machine, where setpe(1) and MOSIX look for theirs; undefined: there is none. */
export function findMap(roots: Roots = machineRoots): string | undefined {
  const places = ['openmosix.map', 'mosix.map', 'hpc.map', 'mosix/mosix.map'];
  return places.map((place) => `${roots.etc}/${place}`).find((path) => existsSync(path));
}

/** @throws OmxError where the file cannot be read */
export function readMap(path: string): MapFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new OmxError(`cannot read the map ${path}: ${errorOf(error).message}`, { code: 'MAP_INVALID' });
  }
  const map = isMosix(text) ? parseMosixMap(text, path) : parseOpenMosixMap(text, path);
  const lines = map.entries.map(({ firstId, host, count, flags }) => `${firstId} ${host} ${count} ${flags}\n`);
  return { path, map, digest: createHash('sha256').update(lines.join('')).digest('hex').slice(0, 16) };
}

/** How a machine may be named in a map. */
export interface OwnAddresses {
  /** Its host name and what that stands for: the only way in which a node of openMosix knows its address. */
  readonly byName: readonly string[];
  /** Addresses of its network interfaces, loopback left out. */
  readonly byInterface: readonly string[];
}

export async function ownAddresses(): Promise<OwnAddresses> {
  const name = hostname();
  const found = await lookup(name, { all: true }).catch(() => []);
  const interfaces = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return {
    byName: [...new Set([name, ...found.map(({ address }) => address)])],
    byInterface: interfaces.filter(({ internal }) => !internal).map(({ address }) => address),
  };
}

/** openMosix' lines begin with a number, those of MOSIX with an address or a name. */
function isMosix(text: string): boolean {
  const first = text.split('\n').find((line) => line.trim() !== '' && !/^\s*#/.test(line));
  return first !== undefined && !/^\s*\d+\s/.test(first);
}
