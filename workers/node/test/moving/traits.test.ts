import { arch } from 'node:process';

import { expect, test } from 'vitest';

import { misfit } from '../../src/moving/traits.ts';

const traits = { arch, criu: '4.1', userNamespace: true, rss: 0, slots: 1, needed: '[]', cpu: '' };
/** Nothing of it is run: what it would be asked comes later. */
const criu = { file: '/no/such/criu', version: '4.1' };

test('a job of another architecture is refused before anything else, with both', async () => {
  const other = arch === 'arm64' ? 'x64' : 'arm64';
  expect(await misfit(criu, { ...traits, arch: other, needed: 'not read' })).toEqual({
    refused: `it runs on ${other}, this node is ${arch}`,
    hint: `choose a node that is ${other}`,
  });
});

test('a program that is not there is refused with its path', async () => {
  const needed = JSON.stringify([{ path: '/no/such/program', size: 1, sha256: '00' }]);
  expect(await misfit(criu, { ...traits, needed })).toMatchObject({
    refused: expect.stringContaining('/no/such/program') as string,
    hint: 'choose a node with the same programs and libraries',
  });
});
