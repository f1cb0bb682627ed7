import type { Command } from 'commander';

import type { Registry } from '../program.ts';

export function addWatching({ program, run }: Registry): void {
  filtered(
    queueCommand(program, 'status', 'batches, one line each; of one batch: its detail').argument(
      '[sel...]',
      'selectors; the newest batches without',
    ),
  )
    .option('--all', 'every batch, not only the newest 20')
    .action(async (sel: string[], options) =>
      run(async (io) => (await import('../commands/status.ts')).status(io, sel, options)),
    );
  filtered(
    queueCommand(program, 'jobs', 'one line a job: state, exit, node, real, user, sys, maxrss').argument(
      '<sel...>',
      'selectors',
    ),
  ).action(async (sel: string[], options) =>
    run(async (io) => (await import('../commands/jobs.ts')).jobs(io, sel, options)),
  );
  filtered(
    queueCommand(program, 'logs', 'output of ended and running jobs, from any machine').argument(
      '<sel...>',
      'selectors',
    ),
  )
    .option('--err', 'stderr alone')
    .option('--both', 'stdout and stderr')
    .option('-n, --last <lines>', 'the last lines of each job')
    .action(async (sel: string[], options) =>
      run(async (io) => (await import('../commands/logs.ts')).logs(io, sel, options)),
    );
  queueCommand(program, 'tail', 'the newest output of jobs, live with -f; several jobs are prefixed')
    .argument('<sel...>', 'selectors')
    .option('-f, --follow', 'go on until the jobs end')
    .option('-n, --last <lines>', 'begin with the last lines of each job (10)')
    .option('--err', 'stderr alone')
    .option('--out', 'stdout alone')
    .action(async (sel: string[], options) =>
      run(async (io) => (await import('../commands/tail.ts')).tail(io, sel, options)),
    );
  filtered(queueCommand(program, 'results', 'what the batch’s parser found').argument('<sel...>', 'selectors'))
    .option('--csv', 'print CSV')
    .action(async (sel: string[], options) =>
      run(async (io) => (await import('../commands/results.ts')).results(io, sel, options)),
    );
  filtered(
    queueCommand(program, 'time', 'real/user/sys/maxrss: total, p50, p95, max, speed-up and efficiency').argument(
      '<sel...>',
      'selectors',
    ),
  ).action(async (sel: string[], options) =>
    run(async (io) => (await import('../commands/time.ts')).time(io, sel, options)),
  );
  filtered(
    queueCommand(program, 'why', 'why a job waits, failed, moved, or runs where it does').argument(
      '<sel...>',
      'selectors',
    ),
  ).action(async (sel: string[], options) =>
    run(async (io) => (await import('../commands/why.ts')).why(io, sel, options)),
  );
  filtered(
    queueCommand(program, 'wait', 'wait until jobs have ended; exit code 1 if one did not succeed').argument(
      '<sel...>',
      'selectors',
    ),
  )
    .option('--timeout <duration>', 'give up after so long, with exit code 124')
    .option('--progress', 'show progress even where stderr is no terminal')
    .option('-q, --quiet', 'no progress')
    .action(async (sel: string[], options) =>
      run(async (io) => (await import('../commands/wait.ts')).wait(io, sel, options)),
    );
  queueCommand(program, 'nodes', 'machines with a worker')
    .option('--forget <name>', 'this node is gone for good: free its jobs and its name')
    .action(async (options) => run(async (io) => (await import('../commands/nodes.ts')).nodes(io, options)));
  queueCommand(program, 'events', 'what happened to batches, jobs and nodes, as JSON lines')
    .argument('[sel...]', 'selectors; everything, nodes too, without')
    .option('-f, --follow', 'go on with what happens from now on')
    .option('--since <time>', 'only what happened since: 10m, 2026-11-22T09:30 or now')
    .action(async (sel: string[], options) =>
      run(async (io) => (await import('../commands/events.ts')).events(io, sel, options)),
    );
  queueCommand(program, 'mon', 'live bars of the load of every node').action(async (options) =>
    run(async (io) => (await import('../commands/mon.ts')).mon(io, options)),
  );
  queueCommand(program, 'top', 'live table of running jobs: node, state, cpu, memory, time, migrations').action(
    async (options) => run(async (io) => (await import('../commands/top.ts')).top(io, options)),
  );
}

/** A command that reads or changes the queue. */
export function queueCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--redis <url>', 'the queue’s Redis server')
    .option('--json', 'print JSON');
}

/** A command whose selection `--state` and `--failed` narrow. */
export function filtered(command: Command): Command {
  return command
    .option('--state <states>', 'only jobs in these states: failed,lost')
    .option('--failed', 'only failed, timed-out, lost and not-started jobs');
}
