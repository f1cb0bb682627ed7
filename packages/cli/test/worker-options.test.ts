import { defaultLeaseMs, isOmxError } from '@omx/core';
import { describe, expect, test } from 'vitest';

import { workerSettings, type WorkerWords } from '../src/worker-options.ts';

const plain: WorkerWords = { slots: 'auto', role: 'both' };

function refusal(words: Partial<WorkerWords>): { message: string; hint: string | undefined } {
  try {
    workerSettings({ ...plain, ...words });
  } catch (error) {
    if (isOmxError(error) && error.exitCode === 2) return { message: error.message, hint: error.hint };
    throw error;
  }
  throw new Error(`${JSON.stringify(words)} was taken`);
}

describe('the options of omx worker', () => {
  test.each(['10.0.0.5', 'fe80::1', 'n1', 'node-1.example.org'])('can be reached at %s', (address) => {
    expect(workerSettings({ ...plain, address })).toMatchObject({ reachableAt: address });
  });

  test('without any, a worker has a lease of the usual length and stays', () => {
    expect(workerSettings(plain)).toEqual({ slots: 'auto', role: 'both', labels: {}, leaseMs: defaultLeaseMs });
  });

  test('are read as they are meant', () => {
    expect(
      workerSettings({
        slots: '8',
        role: 'guest',
        label: ['gpu=yes', 'path=/a=b', 'none='],
        launcher: ['plain,mosrun', 'plain'],
        lease: '10m',
        onLost: 'finish',
        idleTimeout: '1h30m',
      }),
    ).toEqual({
      slots: 8,
      role: 'guest',
      labels: { gpu: 'yes', path: '/a=b', none: '' },
      launchers: ['plain', 'mosrun'],
      leaseMs: 600_000,
      onLost: 'finish',
      idleMs: 5_400_000,
    });
    expect(workerSettings({ ...plain, lease: '2s' }).leaseMs).toBe(2000);
    expect(workerSettings({ ...plain, launcher: ['plain', 'auto'] })).not.toHaveProperty('launchers');
  });

  test.each(['0', '1000000', '-1', '2.5', 'many', '', '0x10', '1e3'])("--slots '%s' is refused", (slots) => {
    const { message, hint } = refusal({ slots });
    expect(message).toContain(`--slots: '${slots}'`);
    expect(message).toContain('1 to 10000');
    expect(hint).toContain(slots === '0' ? '--role home' : 'auto');
  });

  test.each([
    [{ label: ['gpu'] }, /--label: 'gpu' is not KEY=VALUE/],
    [{ label: ['=yes'] }, /--label: '=yes' is not KEY=VALUE/],
    [{ label: ['g pu=yes'] }, /is not KEY=VALUE/],
    [{ role: 'master' }, /--role: there is no 'master'/],
    [{ launcher: ['docker'] }, /--launcher: there is no 'docker'/],
    [{ onLost: 'panic' }, /--on-lost: there is no 'panic'/],
    [{ lease: '1s' }, /--lease: '1s' is shorter than a lease can be/],
    [{ lease: '1h' }, /--lease: '1h' is longer than a lease can be/],
    [{ lease: 'long' }, /--lease: 'long' is not a duration/],
    [{ idleTimeout: '0' }, /--idle-timeout: '0' is less than a second/],
    [{ address: 'n1:6380' }, /--address: 'n1:6380' is not a host name or an IP address/],
    [{ address: 'tcp://n1' }, /--address: 'tcp:\/\/n1' is not/],
    [{ address: '10.0.0' }, /--address: '10.0.0' is not/],
    [{ address: '' }, /--address: '' is not/],
    [{ imageDir: 'images' }, /--image-dir: 'images' is no absolute path/],
    [{ grace: 'soon' }, /--grace: 'soon' is not a duration/],
    [{ idleTimeout: 'never' }, /--idle-timeout: 'never' is not a duration/],
  ] satisfies [Partial<WorkerWords>, RegExp][])('%j is refused with the mend', (words, message) => {
    const refused = refusal(words);
    expect(refused.message).toMatch(message);
    expect(refused.hint).toBeTruthy();
  });
});
