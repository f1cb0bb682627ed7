import { join } from 'node:path';

import { bin, pair, run, seconds, warmMemory, withHome } from './measure.mjs';

/** One job that writes much. In the form of `questions.mjs`. */
export const largeOutput = [
  {
    name: 'a large output',
    against: 'cat of the same file to another',
    answer(short) {
      const bytes = short ? 50_000_000 : 1_000_000_000;
      return withHome((home) => {
        const source = join(home.dir, 'source');
        run('sh', ['-c', `head -c ${bytes} /dev/zero > "$0"`, source]);
        home.omx(['run', '-q', '--', '/bin/true']);
        const before = home.workerRss();
        // Each into a file of its own, as omx does.
        let copies = 0;
        const { ours, theirs, ratio } = pair(
          () => home.omx(['submit', '-q', '--wait', '--', 'cat', source]),
          () => run('sh', ['-c', 'cat "$0" > "$1"', source, `${home.dir}/plain${(copies += 1)}`]),
          short ? 1 : 5,
          () => warmMemory((1.2 * bytes) / 2 ** 20),
        );
        const read = seconds(() => {
          const count = run('sh', ['-c', `"$0" "$1" logs last | wc -c`, process.execPath, bin], {
            env: home.env,
          }).stdout;
          if (Number(count) !== bytes) throw new Error(`${count} bytes came back of ${bytes}`);
        });
        return [
          {
            what: `${bytes / 1e6} MB captured`,
            value: ratio,
            unit: '× cat > file',
            reach: short ? undefined : 1.5,
            note: `${ours.toFixed(2)} s against ${theirs.toFixed(2)} s`,
          },
          { what: `${bytes / 1e6} MB read back`, value: bytes / 1e6 / read, unit: 'MB/s' },
          { what: 'worker memory after it', value: home.workerRss() - before, unit: 'MiB more', reach: 150 },
        ];
      });
    },
  },
];
