import type { Launcher } from './launcher.ts';

/** Starts the program itself, on any Linux. */
export const plainLauncher: Launcher = {
  name: 'plain',
  footing: 'plain: nobody migrates it; it stays on the node that started it until it ends',
  plan: (request) => ({ argv: [...request.argv], env: [], cannotMove: [] }),
  whereabouts: () => Promise.resolve({ cannotMove: [] }),
};
