import { describe, expect, it } from 'vitest';

import { checkCriu, checkTmpfs, judgeCriu, judgeKernel, judgeNamespaces } from '../../src/doctor/criu.ts';
import { judgeLauncher } from '../../src/doctor/machine.ts';

const nothing = async () => ({ exitCode: 1, stdout: '', stderr: '' });

describe('judgeCriu', () => {
  it('names the one that is new enough', () => {
    const found = { file: '/opt/criu', version: '4.1.1' };
    expect(judgeCriu({ found, older: [] })).toEqual({
      name: 'criu',
      verdict: 'ok',
      reason: 'version 4.1.1 at /opt/criu',
      mend: null,
    });
  });

  it.each([
    [[], 'there is none here'],
    [[{ file: '/usr/sbin/criu', version: '3.17.1' }], '/usr/sbin/criu is version 3.17.1, and 4 is needed'],
  ])('remarks that there is none', (older, reason) => {
    expect(judgeCriu({ older })).toMatchObject({
      verdict: 'warn',
      reason: expect.stringContaining(reason),
      mend: expect.stringContaining('--fix'),
    });
  });
});

describe('OMX_CRIU that names none', () => {
  it('is what is to be mended', () => {
    expect(judgeCriu({ older: [] }, '/no/such')).toMatchObject({
      verdict: 'warn',
      reason: expect.stringContaining('OMX_CRIU names /no/such'),
      mend: expect.stringContaining('unset OMX_CRIU'),
    });
  });

  it('fails where one was to be got', async () => {
    const env = { OMX_CRIU: '/no/such' };
    expect((await checkCriu(env, { run: nothing })).map(({ verdict }) => verdict)).toEqual(['warn']);
    expect((await checkCriu(env, { run: nothing, isWanted: true })).map(({ verdict }) => verdict)).toEqual(['fail']);
  });
});

describe('judgeLauncher', () => {
  const facts = {
    name: 'criu',
    usable: false,
    verdict: 'criu: broken',
    evidence: [],
    reason: 'broken',
    hint: 'mend it',
  } as const;

  it('warns where there is a CRIU that does not work, and not where there is none', () => {
    expect(judgeLauncher(facts, true)).toMatchObject({
      verdict: 'warn',
      reason: 'not to be used here: broken',
      mend: 'mend it',
    });
    expect(judgeLauncher(facts, false)).toMatchObject({ verdict: 'ok', mend: null });
  });
});

describe('judgeNamespaces', () => {
  it.each([
    ['user.max_user_namespaces', 0, 'sysctl -w user.max_user_namespaces=65536'],
    ['kernel.unprivileged_userns_clone', 0, 'sysctl -w kernel.unprivileged_userns_clone=1'],
    ['kernel.apparmor_restrict_unprivileged_userns', 1, 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0'],
  ])('%s=%d is the cause', (setting, value, mend) => {
    const check = judgeNamespaces('unshare: unshare failed: Operation not permitted', (each) =>
      each === setting ? value : undefined,
    );
    expect(check).toMatchObject({
      verdict: 'warn',
      reason: expect.stringContaining(setting),
      mend: `as root: ${mend}`,
    });
  });

  it('says what was answered where no setting forbids it', () => {
    const check = judgeNamespaces('unshare: Operation not permitted', () => undefined);
    expect(check).toMatchObject({ verdict: 'warn', reason: expect.stringContaining('Operation not permitted') });
  });

  it('is content where they can be made, whatever the settings', () => {
    expect(judgeNamespaces(undefined, () => 0).verdict).toBe('ok');
  });
});

describe('judgeKernel', () => {
  it('gives the first error of criu check, without its place in the source', () => {
    const stderr =
      'Warn  (criu/net.c:1): x\nError (criu/kerndat.c:727): Unable to connect a socket\nError (b.c:1): later\n';
    expect(judgeKernel({ exitCode: 1, stderr })).toMatchObject({
      verdict: 'warn',
      reason: expect.stringMatching(/: Unable to connect a socket$/),
    });
    expect(judgeKernel({ exitCode: 0, stderr }).verdict).toBe('ok');
  });
});

describe('checkTmpfs', () => {
  it.each([
    [{ bsize: 4096, bavail: 2 ** 20 }, 'ok', /4\S*GiB free/],
    [{ bsize: 4096, bavail: 100 }, 'warn', /over the disk/],
  ])('%o: %s', (facts, verdict, reason) => {
    expect(checkTmpfs('/dev/shm', facts)).toMatchObject({ verdict, reason: expect.stringMatching(reason) });
  });

  it('does without', () => {
    expect(checkTmpfs('/no/such/folder')).toMatchObject({ verdict: 'warn', mend: null });
  });
});

describe('checkCriu', () => {
  it('looks no further where there is none', async () => {
    expect(await checkCriu({ PATH: '/no/such' }, { run: nothing })).toMatchObject([{ name: 'criu', verdict: 'warn' }]);
  });
});
