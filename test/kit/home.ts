import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';

import { type OpenHome, openHome, type TestHome } from './open-home.ts';

export { type OmxOptions, type OmxResult, root, type RunningOmx, type TestHome } from './open-home.ts';

/**
 * A home for each test of the file or `describe`; with `shared`, one for all of them. At its end the queue is stopped,
 * and the test fails if a process or a socket is left.
 */
export function useHome({ shared = false }: { readonly shared?: boolean } = {}): TestHome {
  let home: OpenHome | undefined;
  const now = (): OpenHome => {
    if (home === undefined) throw new Error('a home lives only inside a test');
    return home;
  };
  (shared ? beforeAll : beforeEach)(() => {
    home = openHome();
  });
  (shared ? afterAll : afterEach)(async () => {
    const closing = home;
    home = undefined;
    await closing?.close();
  });
  return {
    get dir() {
      return now().dir;
    },
    get work() {
      return now().work;
    },
    get env() {
      return now().env;
    },
    omx: (args, options) => now().omx(args, options),
    omxSpawn: (args, options) => now().omxSpawn(args, options),
  };
}
