import { prefix, readServerFacts, type Redis, requireRights, serverProblem } from '@omx/queue';

import { type Check, fail, failedBy, ok, warn } from './check.ts';

/** A clock this far off makes times in tables wrong. */
const skewMs = 1000;

/** The server a queue is in, as it is now. */
export async function checkServer(redis: Redis, where: string): Promise<Check[]> {
  const facts = await readServerFacts(redis);
  const problem = serverProblem(facts);
  const product = facts.isValkey ? 'Valkey' : 'Redis';
  return [
    problem === undefined
      ? ok('queue', `${product} ${facts.version} at ${where}`)
      : fail('queue', `${where}: ${problem.reason}`, problem.hint),
    facts.appendOnly === false
      ? warn(
          'append-only file',
          'it is off, so a crash of the server may lose jobs',
          'redis-cli config set appendonly yes',
        )
      : ok('append-only file', facts.appendOnly === undefined ? 'the server does not say' : 'on'),
    await checkRights(redis, where),
    await checkClock(redis),
  ];
}

async function checkRights(redis: Redis, where: string): Promise<Check> {
  const name = 'rights';
  const subscriber = redis.duplicate();
  subscriber.on('error', () => {});
  try {
    await requireRights(redis, where, subscriber);
    return ok(name, `scripts, messages and keys under ${prefix}: are allowed`);
  } catch (error) {
    return failedBy(name, error);
  } finally {
    subscriber.disconnect();
  }
}

async function checkClock(redis: Redis): Promise<Check> {
  const before = Date.now();
  const [seconds, micros] = await redis.time();
  const after = Date.now();
  return judgeClock(Number(seconds) * 1000 + Number(micros) / 1000, before, after);
}

/** The server read its clock at some moment between two readings of ours. */
export function judgeClock(serverMs: number, beforeMs: number, afterMs: number): Check {
  const ahead = serverMs < beforeMs ? beforeMs - serverMs : Math.min(0, afterMs - serverMs);
  if (Math.abs(ahead) <= skewMs) return ok('clock', 'agrees with the server’s');
  return warn(
    'clock',
    `this machine is ${(Math.abs(ahead) / 1000).toFixed(1)} s ${ahead > 0 ? 'ahead of' : 'behind'} the server`,
    'set the clocks by NTP (timedatectl set-ntp true)',
  );
}
