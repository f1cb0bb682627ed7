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
        const capture = () => home.omx(['submit', '-q', '--wait', '--', 'cat', source]);
        // Both write a new file, each into the memory that the one before has left, and while nothing else goes to the disk.
        const clear = () => {
          run('find', [home.dir, '-size', '+1M', '-name', '*.out', '-delete']);
          run('sync');
          warmMemory((1.2 * bytes) / 2 ** 20);
        };
        const { ours, theirs, ratio } = pair(
          capture,
          () => run('sh', ['-c', 'cat "$0" > "$1"', source, `${home.dir}/plain.out`]),
          short ? 1 : 5,
          clear,
        );
        capture();
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
