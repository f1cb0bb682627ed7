import { ExitCode, isOmxError, type NodeInfo, OmxError } from '@omx/core';
import { findMap, ownAddresses } from '@omx/launch';
import { describeAddress, type QueueAddress, queueClock } from '@omx/queue';
import { answers, findRedisServer, type Home, homeAt } from '@omx/queue/embedded';

import { loadConfig } from '../config.ts';
import { checkBatch } from '../doctor/batches.ts';
import { type Check, failedBy, ok, type Verdict } from '../doctor/check.ts';
import { checkCluster } from '../doctor/cluster.ts';
import { checkCriu } from '../doctor/criu.ts';
import { getCriu } from '../doctor/get-criu.ts';
import { checkHome } from '../doctor/home.ts';
import { checkFileLimit, checkLaunchers, checkMap, checkNodeVersion, checkShepherd } from '../doctor/machine.ts';
import { checkMoves, checkMovesOf } from '../doctor/moves.ts';
import { checkNodes } from '../doctor/nodes.ts';
import { checkOneNode } from '../doctor/one-node.ts';
import { checkServer } from '../doctor/queue.ts';
import { version } from '../installation.ts';
import { type Io, writeJson, writeLine } from '../io.ts';
import { type Paint, painter } from '../render/paint.ts';
import { select, type Selection } from '../select.ts';
import { type QueueOptions, type Session, sessionAt } from '../session.ts';

interface DoctorOptions extends QueueOptions {
  readonly node?: string;
  readonly json?: boolean;
  readonly fix?: boolean;
}

/** Without a selector so many of the newest active batches are looked at. */
const activeBatches = 10;

/** `omx doctor`: looks and says; starts nothing that stays and, without `--fix`, changes nothing. */
export async function doctor(io: Io, selectors: readonly string[], options: DoctorOptions): Promise<number> {
  const config = loadConfig(io, options);
  const home = homeAt(config.home.value, io.env);
  const url = config.redis.value;
  const address: QueueAddress = url === undefined ? { socket: home.redisSocket } : { url };
  const inSession = async (work: (session: Session) => Promise<Check[]>): Promise<Check[]> => {
    const session = await sessionAt(io, address, url === undefined ? home : undefined);
    try {
      return await work(session);
    } finally {
      session.close();
    }
  };
  const { node } = options;
  if (options.fix === true) {
    if (node !== undefined) throw fixesHere(node);
    await getCriu(io);
  }
  const criu = node === undefined ? await checkCriu(io.env, { isWanted: options.fix === true }) : [];
  const checks =
    node === undefined
      ? [
          ...(await checkMachine(home)),
          // The embedded queue is not started to be looked at.
          ...(url === undefined && selectors.length === 0 && !(await answers(home.redisSocket))
            ? checkStopped(io)
            : await inSession(async (session) => checkQueue(session, selectors)).catch(unreachable)),
          ...(await checkLaunchers(criu[0]?.verdict === 'ok')),
          ...criu,
        ]
      : await inSession(async (session) => checkOneNode(session, node, version()));
  const allWell = checks.every(({ verdict }) => verdict !== 'fail');
  if (options.json === true) await writeJson(io, { checks, ok: allWell });
  else for (const line of render(checks, painter(io))) await writeLine(io, line);
  return allWell ? ExitCode.ok : ExitCode.jobsFailed;
}

function fixesHere(node: string): OmxError {
  return new OmxError(`cannot mend ${node} from here: --fix is for the machine it runs on`, {
    code: 'FIX_ELSEWHERE',
    hint: `run omx doctor --fix on ${node}`,
  });
}

async function checkMachine(home: Home): Promise<Check[]> {
  return [
    checkNodeVersion(process.versions.node),
    await checkShepherd(),
    ...checkHome(home),
    checkFileLimit(),
    ...checkMap(findMap(), await ownAddresses()),
  ];
}

function checkStopped(io: Io): Check[] {
  try {
    return [
      ok('queue', `not running: it starts with the first command (${findRedisServer(io.env)})`),
      ok('nodes', 'not running: a worker starts with the first command'),
    ];
  } catch (error) {
    return [failedBy('queue', error)];
  }
}

/** A queue that cannot be used is one of the things to report; a selector that names nothing is a mistake of the user. */
function unreachable(error: unknown): Check[] {
  if (isOmxError(error) && error.exitCode !== ExitCode.unreachable) throw error;
  return [failedBy('queue', error)];
}

async function checkQueue(session: Session, selectors: readonly string[]): Promise<Check[]> {
  const { redis, address, home } = session;
  const server = await checkServer(redis, describeAddress(address));
  const nodes = await session.nodes.list();
  const selections = selectors.length > 0 ? await select(session, selectors) : await active(session);
  return [
    ...server,
    ...checkNodes(nodes, { version: version(), now: queueClock.now(), embedded: home !== undefined }),
    ...checkCluster(nodes),
    ...(await checkMoves(session, nodes)),
    ...(await checkBatches(session, selections, nodes)),
  ];
}

/** The newest batches with jobs that have not ended. */
async function active(session: Session): Promise<Selection[]> {
  const newest = (await session.batches.active()).sort((a, b) => Number(b.slice(1)) - Number(a.slice(1)));
  const batches = await Promise.all(newest.slice(0, activeBatches).map(async (id) => session.batches.find(id)));
  return batches.flatMap((batch) =>
    batch === undefined ? [] : [{ batch, spans: [{ first: 0, last: batch.total - 1 }], whole: true }],
  );
}

async function checkBatches(
  session: Session,
  selections: readonly Selection[],
  nodes: readonly NodeInfo[],
): Promise<Check[]> {
  const checks = await Promise.all(
    selections.map(async (selection) => [
      ...(await checkBatch(session, selection, nodes)),
      ...(await checkMovesOf(session, selection, nodes)),
    ]),
  );
  return checks.flat();
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
