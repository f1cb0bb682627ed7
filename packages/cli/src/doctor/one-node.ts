import { formatBytes, formatDuration, type NodeInfo } from '@omx/core';
import { queueClock } from '@omx/queue';

import type { Session } from '../session.ts';
import { type Check, failedBy, ok } from './check.ts';
import { checkCluster } from './cluster.ts';
import { checkNode } from './nodes.ts';

const answerMs = 5000;

/** All that is known of one node, and what it answers now. @throws OmxError with exit code 4 where it never joined */
export async function checkOneNode(session: Session, name: string, version: string): Promise<Check[]> {
  const node = await session.nodes.find(name);
  const wish = await session.nodes.wanted(name);
  const others = (await session.nodes.list()).filter((each) => each.name !== name);
  const checks = checkNode(node, { version, now: queueClock.now(), embedded: false });
  return [
    ...checks,
    ...(node.state === 'down' ? [] : [await checkAnswer(session, name)]),
    ...known(node),
    ...(wish === undefined ? [] : [ok('asked of it', `${wish.state}${wish.reason === '' ? '' : `: ${wish.reason}`}`)]),
    ...(node.state === 'down' ? [] : checkCluster([node, ...others])),
  ];
}

async function checkAnswer(session: Session, name: string): Promise<Check> {
  const asked = performance.now();
  try {
    const { attempts } = await session.asker().askJson(name, { type: 'usage' }, answerMs);
    const took = performance.now() - asked;
    const runs = `${attempts.length} ${attempts.length === 1 ? 'job runs' : 'jobs run'} there`;
    return ok('answer', `it answers in ${Math.max(1, Math.round(took))} ms; ${runs}`);
  } catch (error) {
    return failedBy('answer', error);
  }
}

function known(node: NodeInfo): Check[] {
  const { account, labels, map } = node;
  const labelled = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const free = `${formatBytes(node.memFree)} of ${formatBytes(node.memTotal)} memory free`;
  const lease = `${formatDuration(node.leaseMs)} out of touch and others take its jobs; its own then ${lostTexts[node.onLost]}`;
  return [
    ok('place', `role ${node.role}, ${node.slots} of ${node.maxSlots} slots, labels ${labelled.join(', ') || 'none'}`),
    ok(
      'machine',
      `${node.cpus} CPUs, load ${node.load.toFixed(2)} (${node.externalLoad.toFixed(2)} external), ${free}`,
    ),
    ok('processes', `worker ${node.pid}, shepherd ${node.shepherdPid}, at most ${node.fileLimit} files open`),
    ok('account', `${account.user} ${account.uid}:${account.gid}`),
    ok('lease', lease),
    ...(map === undefined ? [] : [ok('map', `${map.path}, contents ${map.digest}`)]),
  ];
}

const lostTexts = { pause: 'are paused', stop: 'are ended', finish: 'run on' } as const;
