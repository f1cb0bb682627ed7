import { join } from 'node:path';

import { ms, pair, root, run, seconds, withHome } from './measure.mjs';

/**
 * One question each: what is measured, against what, and what it must reach. `answer` is given whether a short form
 * is enough, and returns rows `{ what, value, unit, reach?, atLeast?, note? }`; `reach` is the most that `value` may be, `atLeast` the least.
 */
export const questions = [
  {
    name: 'long jobs',
    against: 'xargs -P2 of the same Fibonacci numbers in the same order',
    answer(short) {
      const last = short ? 32 : 45;
      const fib = join(root, 'examples/multifibo/build/fib');
      run('sh', [join(root, 'examples/multifibo/build.sh')]);
      return withHome((home) => {
        home.omx(['up', '--slots', '2']);
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
];
