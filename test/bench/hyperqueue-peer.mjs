import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { missingProgram, run, seconds, withFolder } from './measure.mjs';

const library = () => spawnSync('python3', ['-c', 'import hyperqueue']).status === 0;

/** Its command is not in every distribution, but its library for Python carries all of it: `pip install hyperqueue`. */
export function missingHyperQueue() {
  const why = missingProgram('hq');
  return why === undefined || library() ? undefined : `${why}, nor Python’s hyperqueue`;
}

/** Gives `work` a function: the seconds in which one server and one worker of two processors run so many /bin/true. */
export function withHyperQueue(work) {
  return missingProgram('hq') === undefined ? withCommand(work) : work(byLibrary);
}

function byLibrary(jobs) {
  const script = fileURLToPath(new URL('hyperqueue-peer.py', import.meta.url));
  return withFolder((folder) => Number(run('python3', [script, String(jobs), folder]).stdout.match(/^[\d.]+$/m)?.[0]));
}

function withCommand(work) {
  return withFolder((folder) => {
    const hq = (...args) => run('hq', ['--server-dir', folder, ...args], { cwd: folder });
    run('sh', ['-c', 'hq --server-dir "$0" server start >"$0/server" 2>&1 &', folder]);
    run('sh', ['-c', 'until hq --server-dir "$0" server info >/dev/null 2>&1; do sleep 0.1; done', folder]);
    run('sh', ['-c', 'hq --server-dir "$0" worker start --cpus 2 >"$0/worker" 2>&1 &', folder]);
    try {
      return work((jobs) => seconds(() => hq('submit', '--array', `1-${jobs}`, '--wait', '--', '/bin/true')));
    } finally {
      hq('server', 'stop');
    }
  });
}
