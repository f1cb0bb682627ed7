// `npm start`: the report's first measurement, start to end. Builds the C++ example, runs its forty jobs on this machine,
// shows results and times, and names the commands to try next. Exits with the run's code.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const omx = 'packages/cli/dist/bin.js';
const batch = 'examples/multifibo/multifibo-40.yaml';

// Ctrl-C reaches the command being shown; it ends in its own way and this script says the same code.
process.on('SIGINT', () => {});

/** Runs one command in the repository's root with this terminal, and gives its exit code. */
function run(program, ...words) {
  const { status, signal, error } = spawnSync(program, words, { cwd: root, stdio: 'inherit' });
  if (error) {
    console.error(`cannot start ${program}: ${error.message}`);
    return 1;
  }
  return status ?? 128 + constants.signals[signal];
}

/** Shows an omx command as one would type it, then runs it. */
function show(...words) {
  console.log(`\n$ npx omx ${words.join(' ')}`);
  return run(process.execPath, omx, ...words);
}

function main() {
  if (!existsSync(new URL(`../${omx}`, import.meta.url))) {
    console.error(`${omx} is not there yet: npm run build`);
    return 1;
  }
  const built = run('sh', 'examples/multifibo/build.sh');
  if (built !== 0) return built;

  const code = show('run', '-f', batch);
  // 0 and 1 are a batch that ended, well or not; anything else left nothing to look at.
  if (code > 1) return code;
  show('results', 'last');
  show('time', 'last');
  console.log(`
What to type next:
  npx omx status last          the batch and how it ended
  npx omx tail -f last         its output, live while it runs
  npx omx results last --csv   the results for a spreadsheet
  npx omx rerun                its failed jobs once more
  npx omx down                 stop the queue and the worker that were started here
More to run: examples/README.md`);
  return code;
}

process.exitCode = main();
