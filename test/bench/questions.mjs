import { join } from 'node:path';

import { openHome, pair, root, run, seconds } from './measure.mjs';

/**
 * One question each: what is measured, against what, and what it must reach. `answer` is given whether a short form
 * is enough, and returns rows `{ what, value, unit, reach?, note? }`; `reach` is the most that `value` may be.
 */
export const questions = [
  {
    name: 'short jobs',
    against: 'xargs -P2 -n1 of the same /bin/true, output captured and usage recorded on our side',
    answer(short) {
      const jobs = short ? 100 : 1000;
      return withHome((home) => {
        home.omx(['up']);
        home.omx(['run', '-q', '--array', '1-20', '--', '/bin/true']);
        const { ours, theirs, ratio } = pair(
          () => home.omx(['run', '-q', '--array', `1-${jobs}`, '--', '/bin/true']),
          () => run('sh', ['-c', `seq ${jobs} | xargs -P2 -n1 /bin/true`]),
          short ? 1 : 5,
        );
        return [
          {
            what: `${jobs} × /bin/true`,
            value: ratio,
            unit: '× xargs',
            reach: short ? undefined : 2.5,
            note: `${ours.toFixed(2)} s against ${theirs.toFixed(2)} s`,
          },
        ];
      });
    },
  },
  {
    name: 'long jobs',
    against: 'xargs -P2 of the same Fibonacci numbers in the same order',
    answer(short) {
      const last = short ? 32 : 45;
      const fib = join(root, 'examples/multifibo/build/fib');
      run('sh', [join(root, 'examples/multifibo/build.sh')]);
      return withHome((home) => {
        home.omx(['up']);
        const { ours, theirs, ratio } = pair(
          () => home.omx(['run', '-q', '--array', `1-${last}`, '--', fib, '{}']),
          () => run('sh', ['-c', `seq ${last} | xargs -P2 -n1 ${fib}`]),
          short ? 1 : 3,
        );
        return [
          {
            what: `fib 1-${last}`,
            value: ratio,
            unit: '× xargs',
            reach: short ? undefined : 1.1,
            note: `${ours.toFixed(2)} s against ${theirs.toFixed(2)} s`,
          },
        ];
      });
    },
  },
  {
    name: 'start-up',
    against: 'node -e 0',
    answer(short) {
      const rounds = short ? 3 : 15;
      const node = () => run(process.execPath, ['-e', '0']);
      return withHome((home) => {
        home.omx(['up']);
        const version = pair(() => home.omx(['--version']), node, rounds);
        const submit = pair(() => home.omx(['submit', '-q', '--', '/bin/true']), node, rounds);
        return [
          {
            what: 'omx --version',
            value: version.ratio,
            unit: '× node -e 0',
            reach: short ? undefined : 1.5,
            note: `${ms(version.ours)} against ${ms(version.theirs)}`,
          },
          {
            what: 'omx submit of one job',
            value: submit.ratio,
            unit: '× node -e 0',
            reach: short ? undefined : 3,
            note: `${ms(submit.ours)} against ${ms(submit.theirs)}`,
          },
        ];
      });
    },
  },
  {
    name: 'ten thousand jobs',
    against: 'fixed limits',
    answer(short) {
      const jobs = short ? 500 : 10_000;
      return withHome((home) => {
        home.omx(['up']);
        home.omx(['run', '-q', '--array', '1-500', '--', '/bin/true']);
        const before = home.redisBytes();
        const rssBefore = home.workerRss();
        const submit = seconds(() => home.omx(['submit', '-q', '--array', `1-${jobs}`, '--', '/bin/true']));
        home.omx(['wait', '-q', 'last']);
        const rssMiddle = home.workerRss();
        home.omx(['run', '-q', '--array', `1-${jobs}`, '--', '/bin/true']);
        return [
          { what: `submit of ${jobs}`, value: submit, unit: 's', reach: 2 },
          {
            what: `Redis for ${jobs}, waiting and finished`,
            value: (home.redisBytes() - before) / 2e6,
            unit: 'MB',
            reach: 20,
          },
          {
            what: `worker memory after ${jobs} and ${2 * jobs} jobs`,
            value: home.workerRss() / rssMiddle,
            unit: '× after the first half',
            reach: short ? undefined : 1.15,
            note: `${rssBefore.toFixed(0)} MiB, ${rssMiddle.toFixed(0)} MiB, ${home.workerRss().toFixed(0)} MiB`,
          },
        ];
      });
    },
  },
  {
    name: 'a large batch',
    against: 'fixed limits',
    answer(short) {
      const jobs = short ? 2000 : 200_000;
      return withHome((home) => {
        home.omx(['up']);
        const all = seconds(() => home.omx(['run', '-q', '--array', `1-${jobs}`, '--', '/bin/true']));
        const status = seconds(() => home.omx(['status', 'last', '--json']));
        const { counts } = home.json(['status', 'last', '--json']);
        if (counts.succeeded !== jobs) throw new Error(`${counts.succeeded} of ${jobs} jobs succeeded`);
        return [
          {
            what: `${jobs} × /bin/true complete`,
            value: (all / jobs) * 1000,
            unit: 'ms a job',
            note: `${all.toFixed(0)} s in all`,
          },
          { what: `omx status of ${jobs}`, value: status, unit: 's', reach: 1 },
        ];
      });
    },
  },
  {
    name: 'a large output',
    against: 'head -c to a file',
    answer(short) {
      const bytes = short ? 50e6 : 1e9;
      return withHome((home) => {
        home.omx(['run', '-q', '--', '/bin/true']);
        const before = home.workerRss();
        const command = `head -c ${bytes} /dev/zero`;
        const job = seconds(() => home.omx(['submit', '-q', '--wait', '--', 'sh', '-c', command]));
        const plain = seconds(() => run('sh', ['-c', `${command} > ${home.dir}/plain`]));
        const read = seconds(() => {
          const count = run(
            'sh',
            ['-c', `"$0" "$1" logs last | wc -c`, process.execPath, join(root, 'packages/cli/dist/bin.js')],
            { env: { ...process.env, OMX_HOME: home.dir, OMX_REDIS_URL: '' } },
          ).stdout;
          if (Number(count) !== bytes) throw new Error(`${count} bytes came back of ${bytes}`);
        });
        return [
          {
            what: `${bytes / 1e6} MB captured`,
            value: job / plain,
            unit: '× head > file',
            note: `${job.toFixed(2)} s against ${plain.toFixed(2)} s`,
          },
          { what: `${bytes / 1e6} MB read back`, value: bytes / 1e6 / read, unit: 'MB/s' },
          { what: 'worker memory after it', value: home.workerRss() - before, unit: 'MiB more', reach: 150 },
        ];
      });
    },
  },
];

function withHome(work) {
  const home = openHome();
  try {
    return work(home);
  } finally {
    home.close();
  }
}

function ms(value) {
  return `${(value * 1000).toFixed(0)} ms`;
}
