import type { LauncherName } from '@omx/core';
import type { LauncherFacts } from '@omx/launch';

/** The launchers with those left out that the node is not to offer. @param only undefined: all it has */
export function offeredLaunchers(
  facts: readonly LauncherFacts[],
  only: readonly LauncherName[] | undefined,
): readonly LauncherFacts[] {
  if (only === undefined) return facts;
  return facts.map((fact) => {
    if (only.includes(fact.name)) return fact;
    const { create: _create, ...rest } = fact;
    return {
      ...rest,
      usable: false,
      verdict: `${fact.name}: not offered`,
      reason: 'its worker was told not to offer it (--launcher)',
    };
  });
}
