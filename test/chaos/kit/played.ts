import { type Ground, type GroundOptions, openGround } from './ground.ts';
import { report } from './invariants.ts';
import { release } from './strike.ts';

/** Opens a ground for what is played on it; a failure is told with all that may explain it. */
export async function onGround(
  options: GroundOptions,
  play: (ground: Ground, said: (id: string) => void) => Promise<void>,
): Promise<void> {
  const ground = await openGround(options);
  let id: string | undefined;
  let failure: Error | undefined;
  try {
    await play(ground, (known) => {
      id = known;
    });
  } catch (error) {
    release(ground);
    failure = new Error(`${String(error)}\n${await report(ground, id)}`, { cause: error });
  }
  await ground.close().catch((error: unknown) => {
    failure ??= error as Error;
  });
  if (failure !== undefined) throw failure;
}
