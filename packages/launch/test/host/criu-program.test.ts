import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { findCriu } from '../../src/host/criu-program.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync('/tmp/omx-criu-program-');
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('findCriu', () => {
  it('passes over what is too old or does not run, and takes the private one', async () => {
    const old = criu('old', 'echo "Version: 3.17.1"');
    criu('broken', 'exit 1');
    const env = { PATH: `${join(dir, 'old')}:${join(dir, 'broken')}`, XDG_DATA_HOME: dir };
    const own = criu('omx/criu', 'echo "Version: 4.1.1"; echo "GitID: v4.1.1"');
    expect(await findCriu(env)).toEqual({
      found: { file: own, version: '4.1.1' },
      older: [{ file: old, version: '3.17.1' }],
    });
  });

  it('takes the first of PATH that is new enough, whatever its length', async () => {
    const path = criu('path', 'echo "Version: 12.0-rc1"');
    criu('omx/criu', 'echo "Version: 4.1.1"');
    const { found } = await findCriu({ PATH: join(dir, 'path'), HOME: dir });
    expect(found).toEqual({ file: path, version: '12.0-rc1' });
  });

  it('takes only the one that is named, where one is', async () => {
    const named = criu('named', 'echo "Version: 4.0"');
    const old = criu('old', 'echo "Version: 3.19"');
    criu('omx/criu', 'echo "Version: 4.1.1"');
    expect((await findCriu({ XDG_DATA_HOME: dir, OMX_CRIU: named })).found?.file).toBe(named);
    expect(await findCriu({ XDG_DATA_HOME: dir, OMX_CRIU: old })).toEqual({ older: [{ file: old, version: '3.19' }] });
  });

  it('looks into the data folder of the home', async () => {
    const own = criu('.local/share/omx/criu', 'echo "Version: 4.2"');
    expect((await findCriu({ PATH: '', HOME: dir })).found?.file).toBe(own);
  });
});

function criu(folder: string, text: string): string {
  const file = join(dir, folder, 'criu');
  mkdirSync(join(dir, folder), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
  return file;
}
