import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';

import { useHome } from '../kit/home.ts';

const home = useHome({ shared: true });

const write = (name: string, text: string | Uint8Array): string => {
  writeFileSync(join(home.work, name), text);
  return name;
};

describe('what a file gets wrong is told with its place', () => {
  const wrong: Record<string, { file: string; text: string | Uint8Array; place: string; reason: RegExp }> = {
    'a key that does not exist': {
      file: 'w.yaml',
      text: 'command: "true"\n\nretry: 3\n',
      place: '3:1  retry',
      reason: /no such key/,
    },
    'the same in TOML': {
      file: 'w.toml',
      text: 'command = "true"\nretry = 3\n',
      place: '2:1  retry',
      reason: /no such key/,
    },
    'the same in JSON': {
      file: 'w.json',
      text: '{"command": "true",\n  "retry": 3}',
      place: '2:3  retry',
      reason: /no such key/,
    },
    'a value of the wrong type': {
      file: 'w.yaml',
      text: 'command: "true"\nhold: 7\n',
      place: '2:1  hold',
      reason: /expected true or false/,
    },
    'a value that makes no sense': {
      file: 'w.yaml',
      text: 'command: "true"\ntime: soon\n',
      place: '2:1  time',
      reason: /soon/,
    },
    'an array that runs downwards': {
      file: 'w.toml',
      text: 'command = "true"\narray = "5-1"\n',
      place: '2:1  array',
      reason: /5-1/,
    },
    'a value deep inside': {
      file: 'w.json',
      text: '{"command": ["echo",\n ["x"]]}',
      place: '2:2  command[1]',
      reason: /expected a text or a number/,
    },
    'a placeholder without quotes': {
      file: 'w.yaml',
      text: 'command: [echo, {}]\narray: 1-2\n',
      place: '1:17  command[1]',
      reason: /needs quotes/,
    },
    'a placeholder nobody defines': {
      file: 'w.yaml',
      text: 'array: 1-2\ncommand: [echo, "{N}"]\n',
      place: '2:1  command',
      reason: /\{N\}/,
    },
    'a key given twice': { file: 'w.yaml', text: 'command: "true"\nname: a\nname: b\n', place: '3:1', reason: /twice/ },
    'a key given twice in TOML': {
      file: 'w.toml',
      text: 'command = "true"\nname = "a"\nname = "b"\n',
      place: '3:',
      reason: /./,
    },
    'a key given twice in JSON': {
      file: 'w.json',
      text: '{"command": "true",\n"name": "a", "name": "b"}',
      place: '2:14',
      reason: /'name'.*twice/,
    },
    'bytes that are not UTF-8': {
      file: 'w.yaml',
      text: Buffer.from('command: "true"\nname: é\nkey: \u00FF', 'latin1'),
      place: '2:7',
      reason: /UTF-8/,
    },
    'text that is not YAML': { file: 'w.yaml', text: 'command: [echo\nname: x\n', place: '2:', reason: /./ },
    'text that is not JSON': { file: 'w.json', text: '{"command": tru}', place: '1:13', reason: /expected a value/ },
    'a list instead of keys': { file: 'w.yaml', text: '- command: "true"\n', place: '1:1', reason: /set of keys/ },
    'no command': { file: 'w.yaml', text: 'name: x\n', place: '1:1  command', reason: /no command/ },
    'two sources of jobs': {
      file: 'w.yaml',
      text: 'command: "true"\narray: 1-2\neach: [a]\n',
      place: '3:1  each',
      reason: /array and each/,
    },
    'nothing at all': { file: 'w.yaml', text: '', place: '', reason: /empty/ },
  };

  let before: unknown;
  beforeAll(async () => {
    before = (await home.omx(['status', '--all', '--json'])).json();
  });

  test.each(Object.entries(wrong))('%s', async (_, { file, text, place, reason }) => {
    const { code, stdout, stderr } = await home.omx(['submit', '-f', write(file, text)]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const [first, ...rest] = stderr.split('\n');
    expect(first?.startsWith(`error: ${file}:${place}`)).toBe(true);
    expect(first).toMatch(reason);
    expect(rest.join('\n')).toMatch(/^(hint: {2}.+\n)?$/);
  });

  test('and none of it was submitted', async () => {
    expect((await home.omx(['status', '--all', '--json'])).json()).toEqual(before);
  });

  test('a mistake on the command line is not blamed on the file', async () => {
    const file = write('good.yaml', 'command: "true"\narray: 1-2\n');
    const { stderr } = await home.omx(['submit', '-f', file, '--', 'echo', '{N}']);
    expect(stderr).toMatch(/^error: command: .*\{N\}/);
    expect((await home.omx(['submit', '-f', file, '--time', 'soon'])).stderr).toMatch(/^error: --time: /);
  });

  test('a name without a known ending, a file that is not there, a folder', async () => {
    write('batch.txt', 'command: "true"');
    mkdirSync(join(home.work, 'folder.yaml'));
    for (const name of ['batch.txt', 'nowhere.yaml', 'folder.yaml']) {
      const { code, stderr } = await home.omx(['submit', '-f', name]);
      expect(stderr).toMatch(new RegExp(`^error: .*${name}.*\n(hint: .*\n)?$`));
      expect(code).toBe(2);
    }
  });

  test('50 MB are refused by their size, at once', async () => {
    const name = write('huge.yaml', Buffer.alloc(50 * 2 ** 20, '# much\n'));
    const { code, stderr } = await home.omx(['submit', '-f', name], { timeoutMs: 10_000 });
    expect(stderr).toMatch(/^error: huge\.yaml: the file has 52428800 bytes, .*\nhint: .*\n$/);
    expect(code).toBe(2);
  });
});
