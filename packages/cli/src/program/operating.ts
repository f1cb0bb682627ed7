import type { Registry } from '../program.ts';
import { collect } from './submitting.ts';
import { queueCommand } from './watching.ts';

export function addOperating({ program, run }: Registry): void {
  program
    .command('up')
    .description('start the embedded queue and its workers in the background')
    .option('--workers <n>', 'how many workers on this machine', '1')
    .option('--slots <n>', 'of each worker it starts: jobs at once, or auto')
    .option('--role <role>', 'both, home (gives work away, takes none) or guest (submits none)')
    .option('--label <key=value>', 'a label jobs may ask for', collect)
    .option('--idle-timeout <duration>', 'workers leave after so long without a job')
    .option('--json', 'print JSON')
    .action(async (options) => run(async (io) => (await import('../commands/up.ts')).up(io, options)));
  program
    .command('down')
    .description(
      'stop the workers and the embedded queue, and wait until they are gone; running jobs go back to the queue',
    )
    .option('--json', 'print JSON')
    .action(async (options) => run(async (io) => (await import('../commands/down.ts')).down(io, options)));
  program
    .command('worker')
    .description('be a node: take jobs from the queue and run them, in the foreground')
    .option('--redis <url>', 'the queue’s Redis server')
    .option('--name <name>', 'this node’s name (the host’s)')
    .option('--slots <n>', 'jobs at once, or auto: one a usable CPU', 'auto')
    .option('--role <role>', 'both, home (gives work away, takes none) or guest (submits none)', 'both')
    .option('--label <key=value>', 'a label jobs may ask for', collect)
    .option('--launcher <name>', 'offer only this launcher: plain, mosrun or criu', collect)
    .option('--lease <duration>', 'how long it may be out of touch before others take its jobs (10s)')
    .option('--on-lost <what>', 'its jobs when it is out of touch: pause, stop or finish')
    .option('--idle-timeout <duration>', 'leave after so long without a job')
    .option(
      '--grace <duration>',
      'told to leave, it first moves jobs to other nodes for so long (30s; 0 without --redis)',
    )
    .option('--address <addr>', 'where other nodes reach this one to move jobs (from where it reaches the queue)')
    .option('--image-dir <dir>', 'keep images of its jobs in this folder, which all nodes see, not at other nodes')
    .option('--map [file]', 'be the node that an openMosix or MOSIX map has at this machine’s address')
    .action(async (options) => run(async (io) => (await import('../commands/worker.ts')).worker(io, options)));
  queueCommand(program, 'drain', 'nodes take no more jobs; what can be moved goes to other nodes, the rest finishes')
    .argument('<node...>', 'names of nodes')
    .option('--reason <text>', 'why; omx nodes and omx why say it')
    .option('--requeue', 'end what cannot be moved and queue it again, instead of waiting for it')
    .option('--wait', 'return when nothing runs there any more; says what is waited for and why it stays')
    .action(async (names: string[], options) =>
      run(async (io) => (await import('../commands/drain.ts')).drain(io, names, options)),
    );
  queueCommand(program, 'undrain', 'nodes take jobs again, also those in quarantine')
    .argument('<node...>', 'names of nodes')
    .action(async (names: string[], options) =>
      run(async (io) => (await import('../commands/drain.ts')).undrain(io, names, options)),
    );
  queueCommand(program, 'doctor', 'check this machine, the queue and its nodes; exit code 1 if a check fails')
    .argument('[selector...]', 'batches whose programs and folders are looked for on the nodes (those not yet ended)')
    .option('--node <name>', 'only this node: what the queue knows of it and what it answers')
    .option('--fix', 'first get what can be had unattended: CRIU, which moves running jobs')
    .action(async (selectors: string[], options) =>
      run(async (io) => (await import('../commands/doctor.ts')).doctor(io, selectors, options)),
    );
  queueCommand(program, 'config', 'the settings in force and where each comes from').action(async (options) =>
    run(async (io) => (await import('../commands/config.ts')).config(io, options)),
  );
  program
    .command('schema')
    .description('the JSON Schema of batch files')
    .action(async () => run(async (io) => (await import('../commands/schema.ts')).schema(io)));
  program
    .command('completion')
    .description('a completion script: source <(omx completion bash)')
    .argument('<shell>', 'bash, zsh or fish')
    .action(async (shell: string) =>
      run(async (io) => (await import('../commands/completion.ts')).completion(io, shell, program)),
    );
}
