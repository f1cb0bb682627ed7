import { describe, expect, it } from 'vitest';

import { batchFileJsonSchema, formatOfFile, parseBatchFile, type BatchFileFormat } from '../../src/spec/batch-file.ts';

const parse = (text: string, format: BatchFileFormat = 'yaml'): ReturnType<typeof parseBatchFile> =>
  parseBatchFile(`f.${format}`, Buffer.from(text), format);

describe('parseBatchFile', () => {
  it('reads the same batch from YAML, JSON and TOML', async () => {
    const raw = {
      command: ['./p', '{N}', '7'],
      param: { N: '1..10' },
      time: 90,
      mem: '2GiB',
      'retry-on': ['oom'],
      hold: true,
      balance: 'off',
      'checkpoint-every': '10m',
      oversubscribe: true,
    };
    const files: [BatchFileFormat, string][] = [
      [
        'yaml',
        "command: [./p, '{N}', 7]\nparam: {N: 1..10}\ntime: 90\nmem: 2GiB\nretry-on: [oom]\nhold: true\nbalance: off\ncheckpoint-every: 10m\noversubscribe: true\n",
      ],
      ['json', JSON.stringify(raw)],
      [
        'toml',
        'command = ["./p", "{N}", 7]\ntime = 90\nmem = "2GiB"\nretry-on = ["oom"]\nhold = true\nbalance = "off"\ncheckpoint-every = "10m"\noversubscribe = true\n[param]\nN = "1..10"\n',
      ],
    ];
    for (const [format, text] of files) expect((await parse(text, format)).raw).toEqual(raw);
  });

  it('keeps words as they were written', async () => {
    const yaml = 'command: &c [./p, 007, 2.50, true, 0x1F, "8"]\neach: [1.0, no]\nenv: {A: 010}\nvalues: [[1e3]]\n';
    expect((await parse(yaml)).raw).toEqual({
      command: ['./p', '007', '2.50', 'true', '0x1F', '8'],
      each: ['1.0', 'no'],
      env: { A: '010' },
      values: [['1e3']],
    });
    expect((await parse('{"command": ["p", 1.50, 1E3]}', 'json')).raw).toEqual({ command: ['p', '1.50', '1E3'] });
  });

  it.each<[BatchFileFormat, string, string]>([
    ['yaml', 'command: x\n\ntiem: 3\n', 'f.yaml:3:1  tiem: no such key'],
    ['yaml', 'command: x\nmaxFails: 3\n', 'f.yaml:2:1  maxFails: no such key'],
    ['yaml', 'command: x\ntime: 5x\n', "f.yaml:2:1  time: '5x' is not a duration"],
    ['yaml', 'command: x\nenv:\n  A: 1\n  B:\n', 'f.yaml:4:3  env.B: expected a text or a number'],
    ['yaml', 'command: [x, [y]]\n', 'f.yaml:1:14  command[1]: expected a text or a number'],
    ['yaml', 'command: [x, {}]\n', 'command[1]: expected a text or a number; a placeholder needs quotes: "{}"'],
    ['yaml', 'command: x\nhold: yes\n', 'f.yaml:2:1  hold: expected true or false'],
    ['yaml', 'command: x\nbalance: maybe\n', "f.yaml:2:1  balance: 'maybe' is not on or off"],
    ['yaml', 'command: x\nbalance: 1\n', 'f.yaml:2:1  balance: expected on or off'],
    ['yaml', 'command: x\ncheckpoint-every: 0.5\n', "f.yaml:2:1  checkpoint-every: '0.5' is less than a second"],
    ['yaml', 'command: x\nfork-migrate: on\n', 'f.yaml:2:1  fork-migrate: expected true or false'],
    ['yaml', 'command: x\nretry-on: exit=0\n', "f.yaml:2:1  retry-on: '0' is not an exit code"],
    ['yaml', 'command: x\narray: 5-1\n', "f.yaml:2:1  array: '5-1' runs downwards"],
    ['yaml', 'command: x\narray: 1-1000000000\n', 'f.yaml:2:1  array: 1000000000 jobs are more'],
    ['yaml', 'command: x\nlabel: [a]\n', "f.yaml:2:1  label: 'a' is not a label"],
    ['yaml', 'command: x\ncommand: y\n', 'f.yaml:2:1: the key is given twice'],
    ['yaml', 'command: x\n---\ncommand: y\n', 'f.yaml:2:1: a second document'],
    ['yaml', 'command: !x y\n', 'f.yaml:1:10: Unresolved tag'],
    ['yaml', 'command: [a\nb: c\n', 'f.yaml:2:1: '],
    ['yaml', '[a]\n', 'f.yaml:1:1: a batch file is a set of keys'],
    ['yaml', '# nothing\n', 'f.yaml:1:1: a batch file is a set of keys'],
    ['yaml', '__proto__: 1\n', 'f.yaml:1:1  __proto__: no such key'],
    ['yaml', '['.repeat(50_000), 'f.yaml:1:101: nested too deeply'],
    ['yaml', '- '.repeat(50_000), 'nested too deeply'],
    ['yaml', bomb(), 'aliases repeat more than a batch can hold'],
    ['yaml', ' \n', 'f.yaml: the file is empty'],
    ['json', '{"command": "x",}', 'f.json:1:17: expected a key in double quotes'],
    ['json', '{"command": "x"', 'f.json:1:16: expected , or }, but the file ends here'],
    ['json', '{"command": "x"} x', 'f.json:1:18: text after the end'],
    ['json', '{\n "command": ["x", 007]}', 'f.json:2:19: expected a value'],
    ['json', '{"command": "a\nb"}', 'f.json:1:13: a text that is not closed'],
    ['json', '{"a": 1, "a": 2}', "f.json:1:10: the key 'a' is given twice"],
    ['json', '{"command": "x",\n "time": "5x"}', "f.json:2:2  time: '5x' is not a duration"],
    ['json', '['.repeat(50_000), 'nested too deeply'],
    ['toml', 'command = "x"\ntime = "5x"\n', "f.toml:2:1  time: '5x' is not a duration"],
    ['toml', 'command = "x"\n[env]\nA = [1]\n', 'f.toml:3:1  env.A: expected a text or a number'],
    ['toml', 'command = "x"\n\nname = \n', 'f.toml:3:8: '],
    ['toml', 'command = ["x", 2020-01-01]\n', 'f.toml:1:1  command[1]: expected a text or a number'],
  ])('%s %j', async (format, text, message) => {
    const refusal = expect.objectContaining({
      code: 'SPEC_INVALID',
      exitCode: 2,
      message: expect.stringContaining(message) as string,
    });
    await expect(parse(text, format)).rejects.toEqual(refusal);
  });

  it('suggests the nearest key', async () => {
    await expect(parse('maxFails: 3')).rejects.toMatchObject({ hint: 'did you mean max-fails?' });
    await expect(parse('xyzzy: 3')).rejects.toMatchObject({ hint: 'omx schema lists the keys' });
  });

  it('names the first byte that is not UTF-8', async () => {
    const content = Buffer.concat([Buffer.from('# ü\n# é'), Buffer.from([0xff, 0x0a])]);
    await expect(parseBatchFile('f', content, 'yaml')).rejects.toThrow('f:2:4: not UTF-8 text');
    const cut = Buffer.from('a: é').subarray(0, -1);
    await expect(parseBatchFile('f', cut, 'yaml')).rejects.toThrow('f:1:4: not UTF-8 text');
  });

  it('does not look at a file that is too large', async () => {
    const refusal = parseBatchFile('f', Buffer.alloc(50_000_000, '['), 'yaml');
    await expect(refusal).rejects.toThrow('f: the file has 50000000 bytes, a batch file at most 16777216');
  });

  it('survives a long text in JSON', async () => {
    const command = 'x'.repeat(4_000_000);
    expect((await parse(JSON.stringify({ command }), 'json')).raw.command).toHaveLength(4_000_000);
  });
});

it('tells the format by the name', () => {
  expect(['a.yaml', 'a.YML', 'b/a.b.toml', 'x.json'].map(formatOfFile)).toEqual(['yaml', 'yaml', 'toml', 'json']);
  for (const name of ['a', 'a.txt', 'a.yaml/b', '.json/']) expect(() => formatOfFile(name)).toThrow(`'${name}'`);
});

it('has a JSON Schema with every key', async () => {
  const schema = await batchFileJsonSchema();
  expect(schema).toMatchObject({ type: 'object', additionalProperties: false });
  expect(Object.keys(schema['properties'] as object)).toEqual(
    expect.arrayContaining(['command', 'retry-on', 'max-output', 'hold', 'checkpoint-every', 'fork-migrate']),
  );
  expect(schema['properties']).toHaveProperty('balance.enum', ['on', 'off', true, false]);
});

function bomb(): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 9; level += 1) {
    lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`);
  }
  return lines.join('\n');
}
