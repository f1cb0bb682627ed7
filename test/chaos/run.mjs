/**
 * `npm run chaos -- [--seconds 600] [--seed 42]`: every pair of who dies and when, each disturbance, and random rounds for
 * so long. The seed is printed; the same seed makes the same rounds.
 */
import { parseArgs } from 'node:util';
import { execa } from 'execa';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '600' }, seed: { type: 'string', default: String(Date.now() % 1e6) } },
});
for (const [name, value] of Object.entries(values)) {
  if (/^\d+$/.test(value)) continue;
  console.error(`--${name}: '${value}' is not a whole number`);
  process.exit(2);
}
console.log(`chaos for ${values.seconds} s and more, seed ${values.seed}`);
const env = { OMX_CHAOS: 'all', OMX_CHAOS_SECONDS: values.seconds, OMX_CHAOS_SEED: values.seed };
const { exitCode } = await execa('vitest', ['run', '--project', 'chaos'], {
  env,
  preferLocal: true,
  stdio: 'inherit',
  reject: false,
});
process.exitCode = exitCode ?? 1;
