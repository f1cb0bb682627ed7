import { type NodeMap, OmxError } from '@omx/core';
import { findMap, ownAddresses, ownAddressProblem, ownNode, readMap } from '@omx/launch';

/**
 * This machine's place in an openMosix or MOSIX map, for a worker that takes its name from there.
 * @param words the file; `true`: where the cluster keeps it
 * @throws OmxError where there is no map, it has faults, or this machine is not in it
 */
export async function placeInMap(words: string | true): Promise<{ readonly name: string; readonly map: NodeMap }> {
  const path = words === true ? findMap() : words;
  if (path === undefined) {
    throw mapError(
      'there is no openMosix or MOSIX map on this machine',
      'name the file: omx worker --map /path/of/openmosix.map',
    );
  }
  const { map, digest } = readMap(path);
  const [fault] = map.problems;
  if (fault !== undefined) throw mapError(`cannot use the map: ${fault}`, 'omx doctor names all faults of the map');
  const { byName, byInterface } = await ownAddresses();
  const own = [...byName, ...byInterface];
  const problem = ownAddressProblem(map, own);
  const node = ownNode(map, own);
  if (node === undefined || problem !== undefined)
    throw mapError(
      `cannot find this machine in ${path}: ${problem ?? ''}`,
      'or give the name with --name, without --map',
    );
  return { name: node.host ?? `node${node.id}`, map: { path, digest } };
}

function mapError(message: string, hint: string): OmxError {
  return new OmxError(message, { code: 'MAP_INVALID', hint });
}
