/**
 * `npm run migration -- [--times 10] [--rounds 200] [--seed 42]`: each program moved so often, each restarted from an image,
 * each fault at each step of the hand-over, and so many random rounds. The seed is printed; the same one makes the same rounds.
 */
import { parseArgs } from 'node:util';
import { execa } from 'execa';

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1e6) },
  },
});
for (const [name, value] of Object.entries(values)) {
  if (/^\d+$/.test(value)) continue;
  console.error(`--${name}: '${value}' is not a whole number`);
  process.exit(2);
}
console.log(`each program moved ${values.times} times; ${values.rounds} rounds from seed ${values.seed}`);
const env = {
  OMX_MIGRATION_TIMES: values.times,
  OMX_MIGRATION_ROUNDS: values.rounds,
  OMX_CHAOS: 'all',
  OMX_CHAOS_SEED: values.seed,
};
const projects = ['unit', 'cluster', 'chaos'].flatMap((name) => ['--project', name]);
const places = ['packages/launch/test/criu/move', 'test/cluster/migration', 'test/chaos/migration'];
const { exitCode } = await execa('vitest', ['run', ...projects, ...places], {
  env,
  preferLocal: true,
  stdio: 'inherit',
  reject: false,
});
process.exitCode = exitCode ?? 1;
