import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Node, stateOf, until } from './kit.ts';

const native = fileURLToPath(new URL('../../native/', import.meta.url));

/** A shepherd that waits for its worker for half a second instead of minutes. */
function impatientShepherd(folder: string): string {
  const binary = join(folder, 'omx-shepherd');
  const sources = readdirSync(native).filter((name) => name.endsWith('.c'));
  execFileSync('cc', [
    '-std=gnu11',
    '-DABANDONED_MS=500.0',
    '-o',
    binary,
    ...sources.map((name) => join(native, name)),
  ]);
  return binary;
}

test('suspended jobs whose worker does not come back are killed, and reported to the next', async () => {
  const node = await Node.open();
  await node.shepherd.quit({ force: true });
  await node.connect({ binary: impatientShepherd(node.dir) });
  node.sh('job', 'exec sleep 1000');
  const { pid } = await node.started('job');
  await node.leased(200, 'pause');
  await until('stopped', () => stateOf(pid) === 'T');
  node.shepherd.close();
  await until('killed', () => stateOf(pid) === undefined);
  await node.connect();
  expect(await node.ended('job')).toMatchObject({ reason: 'lease' });
  await node.nothingLeft();
});
