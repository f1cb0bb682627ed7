import { test } from 'vitest';
import { writeFileSync } from 'node:fs';
import { submit } from '../kit/batches.ts';
import { useCluster } from '../kit/cluster/use-cluster.ts';
import { skipUnless } from '../kit/needs.ts';

const cluster = useCluster({ nodes: 2, cpus: [0.5, 0.5] });
const busy = 'i=0; until [ -e finish ]; do i=$((i+1)); [ $((i % 4000)) = 0 ] && echo $i; done; echo done';
test('scratch', { ...skipUnless('netns', 'criu'), timeout: 180_000 }, async () => {
  const started = await Promise.all(cluster.nodes.map((n) => n.start(['--slots', '1'])));
  await submit(cluster, ['--launcher', 'criu', '--oversubscribe', '--array', '1-2', '--cwd', cluster.shared, '--', 'sh', '-c', busy]);
  const second = cluster.nodes[1]!;
  await new Promise((r) => setTimeout(r, 5000));
  const o = ['sh', '-c', 'while :; do :; done'];
  const ends = [second.outsider(o), second.outsider(o), second.outsider(o)];
  await new Promise((r) => setTimeout(r, 25000));
  await Promise.all(ends.map((e) => e()));
  await new Promise((r) => setTimeout(r, 25000));
  writeFileSync('/tmp/f-scratch.log', started.map((s) => s.stdout() + s.stderr()).join('=====\n'));
});
