import { z } from 'zod';

import { parseBytes } from '../bytes.ts';
import { parseDuration } from '../duration.ts';
import { isOmxError } from '../errors.ts';
import { parseArray } from './arrays.ts';
import * as values from './option-values.ts';
import type { RawBatch, RawPairs } from './raw-batch.ts';
import { parseAfter, parseBackoff, parseMaxFails, parseRetryOn } from './retry.ts';
import { launcherChoices, orders } from './spec.ts';

/**
 * The one schema of a batch as its user writes it. Each value is checked by the very parser that compiles it, so a batch
 * file and the command line refuse the same things in the same words. Loading zod is slow beside the rest of a start-up:
 * import this module only where a batch file is read.
 */
export const batchFileSchema = z.strictObject({
  name: text('what the batch is called', values.parseLabelText).optional(),
  command: z
    .union([z.string(), words()], { error: 'expected a command: a text or a list of words' })
    .describe('the program and its arguments, with placeholders; a text is split as a shell splits words')
    .optional(),
  shell: flag('run the command through sh -c').optional(),
  array: scalar(
    'the indexes of the jobs: 1-40, 1-9:2, 3,5,8-10, 1-1000%50 (at most 50 at once)',
    parseArray,
  ).optional(),
  each: listOrText(word(), 'a file with one value a line, or the values; one job each').optional(),
  null: flag('the values in the file of each end in NUL bytes').optional(),
  values: z
    .array(words(), { error: 'expected a list of lists of values' })
    .describe('lists whose product makes the jobs, as ::: does')
    .optional(),
  param: z
    .union([z.string(), z.array(z.string()), z.record(z.string(), z.union([word(), words()]))], {
      error: 'expected names with their values, such as {"N": "1..10"}',
    })
    .describe('named values whose product makes the jobs: 1..10, 1..10..3, a,b,c, @FILE, or a list')
    .optional(),
  csv: text('a table with a header row; one job a row', values.parsePath).optional(),
  commands: listOrText(z.string(), 'a file with one command a line, or the lines').optional(),
  launcher: choice(launcherChoices, 'how the jobs are started', values.parseLauncher).optional(),
  node: listOrText(z.string(), 'the nodes the batch may run on', values.parseNodes).optional(),
  label: pairs('labels a node must have', values.parseLabels).optional(),
  cpus: scalar('slots a job takes', values.parseCpus).optional(),
  mem: scalar('memory of a job: 512M, 2GiB, or bytes', values.parseMem).optional(),
  time: scalar('wall-clock limit of an attempt: 90s, 1h30m, or seconds', values.parseTime).optional(),
  grace: scalar('time between SIGTERM and SIGKILL', parseDuration).optional(),
  retries: scalar('how often a failed job is tried again', values.parseRetries).optional(),
  'retry-on': listOrText(z.string(), 'exit, exit=1,2, signal, timeout, oom, not-started, any', (causes) =>
    parseRetryOn(values.listOf(causes)),
  ).optional(),
  backoff: scalar('the pause before a retry: 5s, or 1s..1m', parseBackoff).optional(),
  'max-fails': scalar('failed jobs, or a percentage, beyond which the rest is cancelled', parseMaxFails).optional(),
  priority: scalar('higher first', values.parsePriority).optional(),
  order: choice(orders, 'which jobs go first', values.parseOrder).optional(),
  after: listOrText(z.string(), 'what has to end first: SEL[:ok|any|failed]', (rules) =>
    values.listOf(rules).map((rule) => parseAfter(rule)),
  ).optional(),
  cwd: text('the working directory', values.parsePath).optional(),
  env: pairs('environment variables, added to the submitter’s', (env) =>
    values.parsePairs(env, 'a variable'),
  ).optional(),
  'clean-env': flag('start from an almost empty environment').optional(),
  stdin: text('the file every job reads', values.parsePath).optional(),
  'max-output': scalar('bytes kept of each of stdout and stderr: 10MiB', parseBytes).optional(),
  parse: text('what turns output into rows', values.parsePath).optional(),
  key: text('the same key twice is one batch', values.parseLabelText).optional(),
  hold: flag('wait for omx release').optional(),
  balance: z
    .union([z.boolean(), z.string()], { error: 'expected on or off' })
    .describe('whether the balancer may move the jobs while they run')
    .check(refusing(values.parseOnOff))
    .meta({ enum: ['on', 'off', true, false] })
    .optional(),
  'checkpoint-every': scalar(
    'keep an image of each running job away from its node, so often: 10m',
    values.parseCheckpointEvery,
  ).optional(),
  oversubscribe: flag('let a node start more of the jobs than it has slots').optional(),
  'fork-migrate': flag('let children that the jobs fork run on other nodes (experimental)').optional(),
}) satisfies z.ZodType<RawBatch>;

/** The JSON Schema of batch files, which editors complete and check by. */
export function batchFileJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(batchFileSchema, { io: 'input' });
  return { $schema, title: 'omx batch file', ...schema };
}

function word() {
  return z.union([z.string(), z.number(), z.boolean()], {
    // In YAML an unquoted {} or {N} is an object.
    error: ({ input }) => `expected a text or a number${isObject(input) ? '; a placeholder needs quotes: "{}"' : ''}`,
  });
}

function isObject(input: unknown): boolean {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}

function words() {
  return z.array(word(), { error: 'expected a list' });
}

function flag(description: string): z.ZodBoolean {
  return z.boolean({ error: 'expected true or false' }).describe(description);
}

function text(description: string, parse: (value: string) => unknown): z.ZodString {
  return z.string({ error: 'expected a text' }).describe(description).check(refusing(parse));
}

function choice(choices: readonly string[], description: string, parse: (value: string) => unknown): z.ZodString {
  return text(description, parse).meta({ enum: choices });
}

function scalar(description: string, parse: (value: string | number) => unknown) {
  const schema = z.union([z.string(), z.number()], { error: `expected a text or a number (${description})` });
  return schema.describe(description).check(refusing(parse));
}

function listOrText<T extends z.ZodType>(
  item: T,
  description: string,
  parse: (value: string | readonly z.infer<T>[]) => unknown = () => undefined,
) {
  const schema = z.union([z.string(), z.array(item)], { error: `expected a text or a list (${description})` });
  return schema.describe(description).check(refusing(parse));
}

function pairs(description: string, parse: (value: RawPairs) => unknown) {
  const schema = z.union([z.string(), z.array(z.string()), z.record(z.string(), word())], {
    error: `expected KEY=VALUE, a list of them, or an object (${description})`,
  });
  return schema.describe(description).check(refusing(parse));
}

/** Runs the parser that will compile the value and turns its refusal into the schema's. */
function refusing<T>(parse: (value: T) => unknown): z.core.CheckFn<T> {
  return (payload) => {
    try {
      parse(payload.value);
    } catch (error) {
      if (!isOmxError(error)) throw error;
      payload.issues.push({
        code: 'custom',
        message: error.message,
        input: payload.value,
        params: { hint: error.hint },
      });
    }
  };
}
