import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';

import { type OmxResult, useHome } from '../kit/home.ts';
import { type RanBatch, ranTogether } from '../kit/ran.ts';

const home = useHome({ shared: true });

beforeAll(async () => {
  // The batch b1 that selectors below are about.
  expect((await home.omx(['submit', '--json', '--wait', '--array', '1-3', 'true'])).json().id).toBe('b1');
  mkdirSync(join(home.work, 'folder'));
  for (const [name, text] of Object.entries({
    empty: '',
    'ragged.csv': 'a,b\n1,2\n3\n',
    quote: "true\necho 'x\n",
    nul: 'a\0b\n',
    lines: 'true\n',
  })) {
    writeFileSync(join(home.work, name), text);
  }
});

const batches = async (): Promise<unknown> =>
  (await home.omx(['status', '--all', '--json'])).json().map(({ id, total }: any) => ({ id, total }));

/** One line for the error, at most one for the hint, and nothing on stdout. */
function expectRefusal({ code, stdout, stderr }: OmxResult, exitCode: number, message: RegExp): void {
  expect(stderr).toMatch(/^error: [^\n]+\n(hint: {2}[^\n]+\n)?$/);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/\n {4}at |undefined|\[object|NaN/);
  expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
}

function expectJsonRefusal({ code, stdout, stderr }: OmxResult, exitCode: number, message: RegExp): void {
  expect(stderr).toMatch(/^\{.*\}\n$/);
  const { error, ...rest } = JSON.parse(stderr);
  expect(rest).toEqual({});
  expect(error).toEqual({
    code: expect.stringMatching(/^[A-Z_]+$/),
    message: expect.any(String),
    ...('hint' in error ? { hint: expect.any(String) } : {}),
  });
  expect(JSON.stringify(error)).toMatch(message);
  expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
}

describe('a submit that is refused', () => {
  const refused: Record<string, { args: readonly string[]; says: RegExp; code?: number; input?: string }> = {
    'an unknown option': { args: ['--retrys', '3', 'true'], says: /unknown option '--retrys'.*\n?.*--retries/s },
    'an option without its value': { args: ['--array'], says: /--array/ },
    'no command': { args: [], says: /command/ },
    'an empty command': { args: ['--', ''], says: /name of the program is empty/ },
    'values and no command': { args: [':::', 'a', 'b'], says: /command/ },
    'nothing after :::': { args: ['echo', ':::'], says: /no values/ },
    'an array that runs downwards': { args: ['--array', '5-1', 'true'], says: /--array: '5-1'.*write 1-5/s },
    'an array that is no range': { args: ['--array', '1-', 'true'], says: /--array: '1-'/ },
    'an array in another notation': { args: ['--array', '1..3', 'true'], says: /--array: '1\.\.3'.*1-40/s },
    'an empty array': { args: ['--array', '', 'true'], says: /--array/ },
    'a step of 0': { args: ['--array', '1-9:0', 'true'], says: /step/ },
    'nobody at once': { args: ['--array', '1-9%0', 'true'], says: /at once/ },
    'an index given twice': { args: ['--array', '1-5,3', 'true'], says: /index 3 is given twice/ },
    'an index below 0': { args: ['--array=-3', 'true'], says: /0 or more/ },
    'a thousand million jobs': {
      args: ['--array', '1-1000000000', 'true'],
      says: /1000000000 jobs are more than the 10000000/,
    },
    'as many by a product': {
      args: ['--param', 'A=1..100000', '--param', 'B=1..100000', 'true'],
      says: /10000000000 jobs are more than the 10000000/,
    },
    'a placeholder nobody defines': { args: ['--array', '1-2', 'echo', '{nobody}'], says: /\{nobody\}.*\{index\}/s },
    'a parameter without values': { args: ['--param', 'N=', 'true'], says: /'N' has no values/ },
    'a parameter that is none': { args: ['--param', '1x', 'true'], says: /--param/ },
    'two sources of jobs': {
      args: ['--array', '1-2', '--each', '-', 'true'],
      says: /--array and --each/,
      input: 'a\n',
    },
    '-0 without --each': { args: ['-0', 'true'], says: /--each/ },
    'a list that is not there': {
      args: ['--each', 'nowhere', 'true'],
      says: /--each: cannot read 'nowhere': no such file/,
    },
    'a list that is a folder': { args: ['--each', 'folder', 'true'], says: /--each.*folder/ },
    'an empty list': { args: ['--each', 'empty', 'true'], says: /no values/ },
    'a NUL byte in a line': { args: ['--each', 'nul', 'true'], says: /NUL.*-0/s },
    'a ragged table': { args: ['--csv', 'ragged.csv', 'true'], says: /ragged\.csv:3:1: / },
    'a quote that is not closed': { args: ['--commands', 'quote'], says: /quote:2:6: / },
    'commands and a command': { args: ['--commands', 'lines', 'true'], says: /there is a command, and commands/ },
    'a time that is none': { args: ['--time', 'soon', 'true'], says: /--time: .*'soon'/ },
    'no time at all': { args: ['--time', '0', 'true'], says: /--time/ },
    'memory in another unit': { args: ['--mem', '2XB', 'true'], says: /--mem: .*'2XB'/ },
    'no cpu': { args: ['--cpus', '0', 'true'], says: /--cpus: '0'/ },
    'fewer retries than none': { args: ['--retries', '-1', 'true'], says: /--retries: '-1'/ },
    'a retry for no known cause': { args: ['--retry-on', 'rain', 'true'], says: /--retry-on: 'rain'.*timeout/s },
    'a backoff that runs downwards': { args: ['--backoff', '1m..1s', 'true'], says: /--backoff.*1s\.\.1m/s },
    'too many percent': { args: ['--max-fails', '120%', 'true'], says: /--max-fails: '120%'/ },
    'a priority that is no number': { args: ['--priority', 'high', 'true'], says: /--priority: 'high'/ },
    'an unknown order': { args: ['--order', 'indx', 'true'], says: /--order.*did you mean index/ },
    'an unknown launcher': { args: ['--launcher', 'ssh', 'true'], says: /--launcher: 'ssh'.*mosrun/s },
    'an unknown parser': { args: ['--parse', 'nope', 'true'], says: /'nope'.*keyvalue/s },
    'a variable without a value': { args: ['--env', 'FOO', 'true'], says: /--env: 'FOO'/ },
    'a variable that is two lines': { args: ['--env', 'FOO\n  BAR', 'true'], says: /--env: .*FOO.*BAR/ },
    'an empty key': { args: ['--key', '', 'true'], says: /--key/ },
    'an empty folder name': { args: ['--cwd', '', 'true'], says: /--cwd/ },
    'waiting for something unspeakable': { args: ['--after', 'b1:soon', 'true'], says: /--after: 'b1:soon'/ },
    'waiting for a malformed selector': { args: ['--after', 'foo', 'true'], says: /'foo'/ },
    'waiting for a batch that is not there': { args: ['--after', 'b999', 'true'], says: /no batch b999/, code: 4 },
    'waiting for a job that is not there': { args: ['--after', 'b1.4', 'true'], says: /no job b1\.4/, code: 4 },
    'a queue that is no URL': {
      args: ['--redis', 'localhost', 'true'],
      says: /'localhost' is not a Redis URL.*redis:\/\//s,
    },
  };
  let before: unknown;
  beforeAll(async () => {
    before = await batches();
  });

  test.each(Object.entries(refused))('%s', async (_, { args, says, code = 2, input = '' }) => {
    const [plain, json] = await Promise.all([
      home.omx(['submit', ...args], { input }),
      home.omx(['submit', '--json', ...args], { input }),
    ]);
    expectRefusal(plain, code, says);
    expectJsonRefusal(json, code, says);
  });

  test('and none of it is in the queue', async () => {
    expect(await batches()).toEqual(before);
  });

  test('--json that belongs to the command does not change the words of omx', async () => {
    expectRefusal(await home.omx(['submit', '--array', '5-1', 'echo', '--json']), 2, /--array/);
    expectJsonRefusal(await home.omx(['submit', '--nope', '--json', 'echo']), 2, /--nope/);
  });
});

describe('selectors', () => {
  const verbs = [
    'status',
    'jobs',
    'logs',
    'tail',
    'results',
    'time',
    'why',
    'wait',
    'rerun',
    'cancel',
    'hold',
    'release',
    'pause',
    'resume',
  ];

  test.each(verbs)('omx %s of what is not there', async (verb) => {
    const [batch, job, malformed] = await Promise.all([
      home.omx([verb, 'b999']),
      home.omx([verb, 'b1.4', '--json']),
      home.omx([verb, 'foo']),
    ]);
    expectRefusal(batch, 4, /there is no batch b999/);
    expectJsonRefusal(job, 4, /there is no job b1\.4.*1 to 3/);
    expectRefusal(malformed, 2, /'foo' does not select/);
  });

  test.each(['b', 'b1.', 'b1.x', 'b1.1-', 'b1.-1', 'b1.,', 'b1.1,,2', 'b1#2', '-7', '1.5.2', 'b1 ', ''])(
    '%j is malformed',
    async (selector) => {
      expectRefusal(await home.omx(['jobs', '--', selector]), 2, /./);
    },
  );

  test('a state that does not exist', async () => {
    for (const verb of ['jobs', 'status'])
      expectRefusal(
        await home.omx([verb, 'b1', '--state', 'broken']),
        2,
        verb === 'jobs' ? /'broken'.*succeeded/s : /./,
      );
  });

  test('none at all, and a command that does not exist', async () => {
    expectRefusal(await home.omx(['jobs']), 2, /sel/);
    expectRefusal(await home.omx(['sumbit', 'true']), 2, /sumbit.*submit/s);
  });

  test('a timeout that is none', async () => {
    expectRefusal(await home.omx(['wait', 'b1', '--timeout', 'soon']), 2, /'soon'/);
  });
});

describe('what the node cannot start', () => {
  const cases: Record<string, { args: readonly string[]; advice: RegExp }> = {
    'a program that does not exist': { args: ['no-such-program'], advice: /no-such-program|PATH/ },
    'a path that does not exist': { args: ['./nowhere/prog'], advice: /nowhere/ },
    'a file that is not executable': { args: ['./plain-file'], advice: /chmod/ },
    'a script without its first line': { args: ['./no-shebang'], advice: /#!/ },
    'a script whose interpreter is not there': { args: ['./bad-shebang'], advice: /interpreter|#!/ },
    'a folder': { args: ['./folder'], advice: /folder/ },
    'a working directory that is not there': { args: ['--cwd', 'nowhere', 'true'], advice: /nowhere/ },
  };
  let ended: ReadonlyMap<string, RanBatch>;
  beforeAll(async () => {
    const files = { 'plain-file': 'x', 'no-shebang': 'echo hi\n', 'bad-shebang': '#!/no/such/interpreter\n' };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(home.work, name), text);
    for (const name of ['no-shebang', 'bad-shebang']) chmodSync(join(home.work, name), 0o755);
    // Retries are for programs that fail, not for those that cannot be started.
    const wanted = Object.entries(cases).map(([name, { args }]) => [
      name,
      { args: ['--retries', '3', '--backoff', '1ms', ...args] },
    ]);
    ended = await ranTogether(home, Object.fromEntries(wanted));
  });

  test.each(Object.entries(cases))('%s', async (name, { advice }) => {
    const batch = ended.get(name);
    expect(batch?.jobs).toMatchObject([
      { state: 'failed', outcome: 'not-started', exitCode: null, signal: null, attempt: 1 },
    ]);
    const { code, stdout } = await home.omx(['why', `${batch?.id}.1`]);
    expect(stdout).toMatch(/not.started/i);
    expect(stdout).toMatch(advice);
    expect(code).toBe(0);
  });

  test('is tried again where that is asked for', async () => {
    const again = await ranTogether(home, {
      asked: { args: ['--retries', '2', '--backoff', '1ms', '--retry-on', 'not-started', 'no-such-program'] },
    });
    expect(again.get('asked')?.jobs).toMatchObject([{ outcome: 'not-started', attempt: 3 }]);
  });
});
