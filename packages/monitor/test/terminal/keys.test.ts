import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';

import { until } from '../../../../test/kit/until.ts';
import { onKeys } from '../../src/terminal/keys.ts';

test('keys have names, letters are themselves, and a sequence may come in pieces', async () => {
  const input = new PassThrough();
  const keys: string[] = [];
  const stop = onKeys(input, (key) => keys.push(key));
  input.write('lL?é/<');
  input.write('\u001b[A\u001bOB\u001b[5~\u001b[6~\u001b[H\u001b[F\r\u007f\u0003\u001a');
  input.write('\u001b');
  input.write('[C');
  await until(() => keys.includes('right'));
  input.write('\u001b');
  await until(() => keys.at(-1) === 'escape');
  expect(keys).toEqual([
    ...['l', 'L', '?', 'é', '/', '<', 'up', 'down', 'pageup', 'pagedown', 'home', 'end', 'return', 'backspace'],
    ...['ctrl+c', 'ctrl+z', 'right', 'escape'],
  ]);
  stop();
  input.write('x');
  expect(keys).toHaveLength(18);
});
