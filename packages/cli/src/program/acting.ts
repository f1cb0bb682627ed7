import type { Registry } from '../program.ts';
import { collect } from './submitting.ts';
import { filtered, queueCommand } from './watching.ts';

export function addActing({ program, run }: Registry): void {
  filtered(
    queueCommand(program, 'rerun', 'run jobs again, by default the failed ones, as new attempts of the same jobs'),
  )
    .argument('[sel...]', 'selectors; the newest batch without')
    .usage('[options] [SEL…] [-- NEW ARGS…]')
    .option(
      '--on <causes>',
      'only jobs that ended so: exit=137,timeout,oom,signal,lost,not-started,cancelled,succeeded, any (not succeeded)',
      collect,
    )
    .option(
      '--set <option=value>',
      'change a limit: mem=8GiB, time=2h, cpus, retries, grace, retry-on, backoff, max-output',
      collect,
    )
    .option('--as-new', 'make a new batch of them')
    .option('--export <file>', 'write their commands to a file for omx submit --commands (- is stdout); run nothing')
    .action(async (words: string[], options, command) =>
      run(async (io) => (await import('../commands/rerun.ts')).rerun(io, words, options, command)),
    );
  filtered(
    queueCommand(
      program,
      'cancel',
      'SIGTERM, then SIGKILL, to everything the jobs started; waiting jobs are never started',
    ).argument('<sel...>', 'selectors'),
  )
    .option('--reason <text>', 'kept for omx why')
    .option('--grace <duration>', 'between SIGTERM and SIGKILL (the batch’s own, 10s)')
    .action(async (sel: string[], options) =>
      run(async (io) => (await import('../commands/cancel.ts')).cancel(io, sel, options)),
    );
  for (const [name, description] of [
    ['hold', 'keep waiting jobs back'],
    ['release', 'let held jobs go'],
    ['pause', 'stop running jobs where they are'],
    ['resume', 'continue paused and frozen jobs'],
  ] as const) {
    const command = filtered(queueCommand(program, name, description).argument('<sel...>', 'selectors'));
    if (name === 'pause') command.option('--freeze', 'free their memory, too: keep them as images (launcher criu)');
    command.action(async (sel: string[], options) =>
      run(async (io) => (await import('../commands/control.ts'))[name](io, sel, options)),
    );
  }
  filtered(queueCommand(program, 'migrate', 'running jobs go on at another node (launcher criu)'))
    .argument('<sel...>', 'selectors')
    .requiredOption('--to <node>', 'the node')
    .action(async (sel: string[], options) =>
      run(async (io) => (await import('../commands/migrate.ts')).migrate(io, sel, options)),
    );
  filtered(
    queueCommand(
      program,
      'checkpoint',
      'keep images of running jobs on other nodes, to go on from should a node die (launcher criu)',
    ),
  )
    .argument('<sel...>', 'selectors')
    .action(async (sel: string[], options) =>
      run(async (io) => (await import('../commands/checkpoint.ts')).checkpoint(io, sel, options)),
    );
}
