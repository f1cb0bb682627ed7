import { type Command, Option } from 'commander';

import type { Registry } from '../program.ts';

export function addSubmitting({ program, run }: Registry): void {
  submitCommand(program, 'submit', 'put jobs into the queue and return')
    .addOption(new Option('--dry-run', 'print the argv of each job and submit nothing'))
    .option('--wait', 'wait until the jobs have ended; exit code 1 if one did not succeed')
    .option('--progress', 'show progress while waiting')
    .option('-q, --quiet', 'print the id alone')
    .option('--json', 'print JSON')
    .action(async (words: string[], options) =>
      run(async (io) => (await import('../commands/submit.ts')).submit(io, words, options)),
    );
  submitCommand(program, 'run', 'submit, show progress, stream the output, wait; ends with real/user/sys on stderr')
    .option('--progress', 'show progress even where stderr is no terminal')
    .option('-q, --quiet', 'no progress and no summary')
    .action(async (words: string[], options) =>
      run(async (io) => (await import('../commands/run.ts')).run(io, words, options)),
    );
}

function submitCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .usage('[options] [--] CMD [ARG…] [::: VALUE…]…')
    .argument('[command...]', 'program and arguments; {} stands for the job’s value')
    .passThroughOptions()
    .option('-f, --file <file>', 'batch file: .yaml, .yml, .toml or .json')
    .optionsGroup('Jobs:')
    .option('--array <ranges>', 'one job an index: 1-40, 1-9:2, 3,5,8-10, 1-1000%50 (50 at once)')
    .option('--each <file>', 'one job a line of the file (- is stdin)')
    .option('-0, --null', 'values of --each end in NUL bytes')
    .option('--param <name=values>', 'NAME=1..10, =1..10..3, =a,b,c, =@FILE; the product of all', collect)
    .option('--csv <file>', 'one job a row; the header names the placeholders')
    .option('--commands <file>', 'one job a line, split into words as a shell would')
    .option('--shell', 'run each command through sh -c')
    .optionsGroup('Batch:')
    .option('--name <name>', 'name of the batch')
    .option('--priority <n>', 'higher first')
    .option('--order <order>', 'index, reverse, random or longest')
    .option('--after <sel>', 'start when other jobs have ended: SEL[:ok|any|failed]', collect)
    .option('--max-fails <n>', 'cancel the rest after so many failures, or P%')
    .option(
      '--parse <parser>',
      'turn output into rows: lines, regex:…, keyvalue, csv, json, fib, keygen, time, ./module.mjs',
    )
    .option('--key <string>', 'the same key twice is one batch')
    .option('--hold', 'keep the jobs back until omx release')
    .option('--balance <on|off>', 'whether running jobs may be moved to nodes with more room (on)')
    .option('--checkpoint-every <duration>', 'keep an image of each running job away from its node: 10m')
    .option('--oversubscribe', 'let a node start more of the jobs than it has slots')
    .option('--fork-migrate', 'let children that the jobs fork run on other nodes (experimental)')
    .optionsGroup('Each job:')
    .option('--launcher <name>', 'auto, plain, mosrun or criu')
    .option('--node <names>', 'run only there: NAME[,NAME]', collect)
    .option('--label <key=value>', 'run only on nodes with this label', collect)
    .option('--cpus <n>', 'slots a job takes')
    .option('--mem <size>', 'memory a job may use: 2GiB')
    .option('--time <duration>', 'limit of real time: 1h30m, 90s')
    .option('--grace <duration>', 'between SIGTERM and SIGKILL (10s)')
    .option('--retries <n>', 'try a failed job again so often')
    .option('--retry-on <causes>', 'exit=1,2 signal timeout oom any not-started', collect)
    .option('--backoff <range>', 'wait before a retry: 1s..1m')
    .option('--max-output <size>', 'keep so much of stdout and of stderr: 10MiB')
    .option('--cwd <dir>', 'working directory')
    .option('--env <name=value>', 'add to the environment', collect)
    .option('--clean-env', 'start from an empty environment (HOME, LOGNAME, PATH, SHELL, USER are kept)')
    .option('--stdin <file>', 'standard input of each job')
    .optionsGroup('Queue:')
    .option('--redis <url>', 'the queue’s Redis server')
    .optionsGroup('Output:');
}

/** An option that may be given several times. */
export function collect(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}
