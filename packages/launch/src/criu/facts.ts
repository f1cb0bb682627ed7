import type { LauncherFacts } from '../detect.ts';
import { criuLauncher } from './launcher.ts';
import type { CriuProbe } from './probe.ts';

/** What is said of the launcher after a probe. */
export function criuFacts({ criu, reason = 'no CRIU was found', hint }: CriuProbe): LauncherFacts {
  if (criu !== undefined) {
    return {
      name: 'criu',
      usable: true,
      verdict: `criu: version ${criu.version} freezes and thaws jobs here`,
      evidence: [criu.file],
      create: () => criuLauncher,
    };
  }
  return {
    name: 'criu',
    usable: false,
    verdict: `criu: ${reason}`,
    evidence: [],
    reason,
    hint: [...(hint === undefined ? [] : [hint]), 'use --launcher plain or auto where jobs need not move'].join('; '),
  };
}
