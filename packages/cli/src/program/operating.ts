import type { Registry } from '../program.ts';
import { collect } from './submitting.ts';
import { queueCommand } from './watching.ts';

export function addOperating({ program, run }: Registry): void {
  program
    .command('up')
    .description('start the embedded queue and its workers in the background')
    .option('--workers <n>', 'how many workers on this machine', '1')
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
    .option('--role <role>', 'both, home (gives work away, takes none) or guest', 'both')
    .option('--label <key=value>', 'a label jobs may ask for', collect)
    .action(async (options) => run(async (io) => (await import('../commands/worker.ts')).worker(io, options)));
  queueCommand(program, 'doctor', 'check this machine and the queue; exit code 1 if a check fails')
    .option('--node <name>', 'only what the queue knows of this node')
    .action(async (options) => run(async (io) => (await import('../commands/doctor.ts')).doctor(io, options)));
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
