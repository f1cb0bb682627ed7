import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { median, openHome, pair, root, run, seconds, warmMemory } from './measure.mjs';

/** What moving costs, and what it costs to be movable. In the form of `questions.mjs`; `missing` says why it cannot be asked. */
export const migrationQuestions = [
  {
    name: 'pause of a move',
    against: 'criu dump, tar to tar and criu restore by hand; the same CRIU, files in memory, told by the job itself',
    missing: () => noCriu() ?? (process.geteuid() === 0 ? undefined : 'plain criu needs root'),
    answer(short) {
      return withPulse(({ folder, program }) => {
        const rows = [];
        for (const mib of short ? [1] : [1, 10, 200, 1000]) {
          const ours = [];
          const theirs = [];
          for (let round = 0; round < (short ? 1 : mib > 500 ? 3 : 7); round += 1) {
            ours.push(pauseOfMove(program, mib));
            theirs.push(pauseByHand(program, folder, mib));
          }
          rows.push({
            what: `${mib} MiB touched`,
            value: median(ours.map((pause, round) => pause / theirs[round])),
            unit: '× by hand',
            reach: short ? undefined : 1.25,
            note: `${median(ours).toFixed(0)} ms against ${median(theirs).toFixed(0)} ms`,
          });
        }
        return rows;
      });
    },
  },
  {
    name: 'many moves',
    against: 'nothing: two nodes on this machine that send each other jobs of 1 MiB',
    missing: noCriu,
    answer(short) {
      const jobs = short ? 2 : 10;
      const turns = short ? 1 : 6;
      return withPulse(({ program }) => {
        const took = withMovable(program, 1, jobs, (home, id, others) =>
          seconds(() => {
            for (let turn = 0; turn < turns; turn += 1) home.omx(['migrate', id, '--to', others[turn % 2]]);
          }),
        );
        return [{ what: 'moves between two nodes', value: (60 * jobs * turns) / took, unit: 'a minute' }];
      });
    },
  },
  {
    name: 'movable jobs that stay',
    against: 'the same jobs started plainly',
    missing: noCriu,
    answer(short) {
      const jobs = short ? 10 : 100;
      const home = openHome();
      try {
        home.omx(['up']);
        const batch = (launcher, ...command) =>
          home.omx(['run', '-q', '--launcher', launcher, '--array', `1-${jobs}`, '--', ...command]);
        batch('criu', 'true');
        const compare = (...command) =>
          pair(
            () => batch('criu', ...command),
            () => batch('plain', ...command),
            short ? 1 : 5,
          );
        const long = compare('sleep', '0.1');
        const start = compare('true');
        return [
          {
            what: `${jobs} jobs of 100 ms`,
            value: long.ratio,
            unit: '× plain',
            reach: short ? undefined : 1.1,
            note: `${long.ours.toFixed(2)} s against ${long.theirs.toFixed(2)} s`,
          },
          { what: 'start, on top of plain', value: ((start.ours - start.theirs) / jobs) * 1000, unit: 'ms a job' },
        ];
      } finally {
        home.close();
      }
    },
  },
];

const getCriu = join(root, 'packages/cli/setup/get-criu.sh');

function noCriu() {
  return spawnSync('sh', [getCriu, '--where']).status === 0 ? undefined : `no CRIU here (sh ${getCriu})`;
}

/** A program that tells how long it stood still, in a folder that is gone afterwards. */
function withPulse(work) {
  const folder = mkdtempSync('/tmp/omx-bench-');
  try {
    const program = join(folder, 'pulse');
    run('cc', ['-O1', '-o', program, join(root, 'test/fixtures/migration/pulse.c')]);
    return work({ folder, program });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Jobs that run on the first of two nodes. `others`: the second and the first. */
function withMovable(program, mib, jobs, work) {
  const home = openHome();
  try {
    home.omx(['up', '--slots', String(jobs)]);
    const folder = join(home.dir, 'pulse');
    mkdirSync(folder);
    const how = ['--launcher', 'criu', '--balance', 'off', '--array', `1-${jobs}`];
    const id = home.omx(['submit', '-q', ...how, '--', program, String(mib), folder, '{}']).stdout.trim();
    awaitThat(() => Array.from({ length: jobs }, (_, at) => join(folder, `ready${at + 1}`)).every(existsSync));
    const [first, second] = home.json(['up', '--workers', '2', '--slots', String(jobs), '--json']).nodes;
    const answer = work(home, id, [second.name, first.name]);
    writeFileSync(join(folder, 'finish'), '');
    home.omx(['wait', '-q', id]);
    return answer ?? home.omx(['logs', id]).stdout;
  } finally {
    home.close();
  }
}

function pauseOfMove(program, mib) {
  const move = (home, id, [second]) => {
    warmMemory(3 * mib + besides);
    home.omx(['migrate', id, '--to', second]);
  };
  return Number(withMovable(program, mib, 1, move));
}

/** MiB that programs need, besides the job's memory: twice as an image, and once as memory again. */
const besides = 128;

/** As the manual pages say; $0 is criu. The job has a session of its own, and is buried by whoever started it, so that its number is free again. */
const moveByHand = `
  setsid "$1" "$2" . </dev/null >out 2>/dev/null & pid=$!
  until [ -e ready ]; do sleep 0.01; done
  "$0" dump -t $pid -D from -o dump.log || { kill -9 $pid; exit 1; }
  wait $pid
  tar -C from -c . | tar -C to -x && "$0" restore -d -D to -o restore.log || exit
  : >finish`;

/** Images, and what is unpacked of them, stand in memory, as omx has them where there is room. */
function pauseByHand(program, folder, mib) {
  const criu = run('sh', [getCriu, '--where']).stdout.trim();
  const work = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : folder, 'omx-bench-'));
  try {
    for (const name of ['from', 'to']) mkdirSync(join(work, name));
    // Here the job itself is yet to start.
    warmMemory(4 * mib + besides);
    run('sh', ['-c', moveByHand, criu, program, String(mib)], { cwd: work, stdio: 'ignore' });
    awaitThat(() => readFileSync(join(work, 'out'), 'utf8').endsWith('\n'));
    return Number(readFileSync(join(work, 'out'), 'utf8'));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function awaitThat(condition) {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (const end = performance.now() + 60_000; !condition(); Atomics.wait(pause, 0, 0, 5))
    if (performance.now() > end) throw new Error(`waited a minute in vain for ${String(condition)}`);
}
