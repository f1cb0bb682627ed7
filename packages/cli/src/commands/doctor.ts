import { ExitCode, OmxError } from '@omx/core';
import { connect, describeAddress, NodeStore, type QueueAddress } from '@omx/queue';
import { answers, findRedisServer, type Home, homeAt } from '@omx/queue/embedded';

import { loadConfig } from '../config.ts';
import { type Check, failedBy, ok, type Verdict } from '../doctor/check.ts';
import { checkHome } from '../doctor/home.ts';
import { checkFileLimit, checkLaunchers, checkNodeVersion, checkShepherd } from '../doctor/machine.ts';
import { checkNode, checkNodes } from '../doctor/nodes.ts';
import { checkServer } from '../doctor/queue.ts';
import { type Io, writeJson, writeLine } from '../io.ts';
import { type Paint, painter } from '../render/paint.ts';
import type { QueueOptions } from '../session.ts';
import { version } from '../installation.ts';

interface DoctorOptions extends QueueOptions {
  readonly node?: string;
  readonly json?: boolean;
}

/** `omx doctor`: looks and says; starts nothing that stays and changes nothing. */
export async function doctor(io: Io, options: DoctorOptions): Promise<number> {
  const config = loadConfig(io, options);
  const home = homeAt(config.home.value, io.env);
  const url = config.redis.value;
  const checks =
    options.node === undefined
      ? [
          checkNodeVersion(process.versions.node),
          await checkShepherd(),
          ...checkHome(home),
          checkFileLimit(),
          ...(url === undefined ? await checkEmbedded(io, home) : await checkQueue({ url }, false)),
          ...(await checkLaunchers()),
        ]
      : await checkOneNode(url === undefined ? { socket: home.redisSocket } : { url }, options.node);
  const allWell = checks.every(({ verdict }) => verdict !== 'fail');
  if (options.json === true) await writeJson(io, { checks, ok: allWell });
  else for (const line of render(checks, painter(io))) await writeLine(io, line);
  return allWell ? ExitCode.ok : ExitCode.jobsFailed;
}

/** The embedded queue is not started to be looked at. */
async function checkEmbedded(io: Io, home: Home): Promise<Check[]> {
  if (await answers(home.redisSocket)) return checkQueue({ socket: home.redisSocket }, true);
  try {
    return [
      ok('queue', `not running: it starts with the first command (${findRedisServer(io.env)})`),
      ok('nodes', 'not running: a worker starts with the first command'),
    ];
  } catch (error) {
    return [failedBy('queue', error)];
  }
}

async function checkQueue(address: QueueAddress, embedded: boolean): Promise<Check[]> {
  let redis;
  try {
    redis = await connect(address);
    const [seconds] = await redis.time();
    const nodes = await new NodeStore(redis).list();
    return [
      ...(await checkServer(redis, describeAddress(address))),
      ...checkNodes(nodes, { version: version(), now: Number(seconds) * 1000, embedded }),
    ];
  } catch (error) {
    return [failedBy('queue', error)];
  } finally {
    redis?.disconnect();
  }
}

async function checkOneNode(address: QueueAddress, name: string): Promise<Check[]> {
  const redis = await connect(address);
  try {
    const [seconds] = await redis.time();
    const node = (await new NodeStore(redis).list()).find((each) => each.name === name);
    if (node === undefined) {
      throw new OmxError(`there is no node ${name}`, {
        code: 'NO_SUCH_NODE',
        exitCode: ExitCode.notFound,
        hint: 'omx nodes lists the nodes',
      });
    }
    return [checkNode(node, { version: version(), now: Number(seconds) * 1000, embedded: false })];
  } finally {
    redis.disconnect();
  }
}

const styles = { ok: 'green', warn: 'yellow', fail: 'red' } as const satisfies Record<Verdict, string>;

export function render(checks: readonly Check[], paint: Paint): string[] {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, verdict, reason, mend }) => [
    `${paint(styles[verdict], verdict.padEnd(4))}  ${name.padEnd(width)}  ${reason}`,
    ...(mend === null ? [] : [`${' '.repeat(width + 8)}mend: ${mend}`]),
  ]);
  const failed = checks.filter(({ verdict }) => verdict === 'fail').length;
  const warned = checks.filter(({ verdict }) => verdict === 'warn').length;
  const summary =
    failed > 0
      ? `${failed} to mend`
      : warned > 0
        ? `well, with ${warned} ${warned === 1 ? 'remark' : 'remarks'}`
        : 'all well';
  return [...lines, summary];
}
